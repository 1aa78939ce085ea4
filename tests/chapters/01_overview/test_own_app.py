"""The lesson's two files for an app of your own, started with the lesson's commands."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.requirements import Requirement

from tests.support.chapter_runs import started
from tests.support.markdown import dead_links
from workbench.chapter_run import ChapterRun
from workbench.log import Log
from workbench.probes import answers_http, consumes, free_port
from workbench.service import Probe, Service

YOURS = Path(__file__).parent / "yours"
LESSON = Path(__file__).parents[3] / "chapters/01_overview/README.md"


def command(begin: str) -> str:
    """Return the lesson's command that begins so."""
    found = re.search(rf"\| `({begin} .+?)`", LESSON.read_text())
    assert found, begin
    return found[1]


@pytest.fixture(scope="module")
def own_app(redis_lab: ChapterRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start your worker and your Flask app on a Redis; give the app's address."""
    port = free_port()
    redis_url = redis_lab.broker_url.removesuffix("/0")
    broker_url = f"{redis_url}/5"
    env = redis_lab.env | {
        "CELERY_BROKER_URL": broker_url,
        "CELERY_RESULT_BACKEND": f"{redis_url}/6",
        "FLASK_RUN_PORT": str(port),
        "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("pycache")),
    }

    def service(begin: str, ready: Probe) -> Service:
        return Service(begin, command(begin), ready=ready, log=Log(), cwd=YOURS, env=env)

    with ExitStack() as stack:
        stack.enter_context(started(service("celery", consumes(broker_url))))
        stack.enter_context(started(service("flask", answers_http(port))))
        yield f"http://127.0.0.1:{port}"


@pytest.mark.slow
def test_it_answers_202_and_then_the_result(
    own_app: str, client: httpx.Client, final_status: Callable[..., Any]
) -> None:
    answer = client.post(f"{own_app}/texts", data={"text": "one two three"})
    status = final_status(client, own_app + answer.headers["Location"])

    assert answer.status_code == 202
    assert status == {"state": "SUCCESS", "words": 3}


def test_its_versions_are_those_that_we_test_with() -> None:
    wanted = [Requirement(found) for found in re.findall(r'"(.+?)"', command("pip install"))]
    assert [found.name for found in wanted] == ["celery", "flask"]
    for found in wanted:
        assert version(found.name) in found.specifier


def test_the_lesson_has_no_dead_links() -> None:
    assert dead_links(LESSON) == []
