"""The code that the lesson gives to take home, run as it stands."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import ChordError

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

HERE = Path(__file__).parent / "yours"


@pytest.fixture
def thumbnails(lab: ChapterRun, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import the lesson's module, with a worker of its own on the chapter's servers."""
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, lab.env[name])
    spec = importlib.util.spec_from_file_location("thumbnails", HERE / "thumbnails.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    quick = "--without-mingle --without-gossip --loglevel INFO"
    command = f"celery -A thumbnails worker -n thumbnails@%h --concurrency 1 {quick}"
    lab.add("thumbnails", f"PYTHONPATH={HERE} {command}")
    lab.start("thumbnails")
    yield module
    lab.stop("thumbnails")
    del lab.services["thumbnails"]
    module.app.close()


@pytest.mark.slow
def test_the_workflow_to_take_home(thumbnails: Any, lab: ChapterRun) -> None:
    page = thumbnails.order_page(["lake", "broken", "dunes"], "Trip")
    assert page.get(timeout=20) == "Trip: small lake, small dunes"

    failed = thumbnails.order_page(["lake", "bug"], "Trip")
    assert isinstance(failed.get(timeout=20, propagate=False), ChordError)
    said = "Trip isn't made: ChordError("
    wait_until(lambda: said in "\n".join(lab.log.lines("thumbnails")), said)
