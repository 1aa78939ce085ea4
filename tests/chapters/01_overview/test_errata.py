"""Where the article is wrong: what its listing really does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import celery
import httpx
import pytest
from celery import Celery
from celery.app.backends import BACKEND_ALIASES
from celery.exceptions import NotRegistered

from workbench.chapter_run import ChapterRun

CHAPTER = Path(__file__).parents[3] / "chapters/01_overview"


def as_printed(code: str) -> str:
    """Run a line of Python with the listing imported; return all that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", f"import as_printed; {code}"],
        cwd=CHAPTER,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_listing_raises_a_name_error_before_it_reaches_celery() -> None:
    said = as_printed(
        "from unittest.mock import patch\n"
        "with patch.object(as_printed.celery, 'send_task') as send:\n"
        "    print(as_printed.app.test_client().get('/').status, send.called)"
    )
    assert "NameError: name 'arg1' is not defined" in said
    assert "500 INTERNAL SERVER ERROR False" in said


def test_the_listing_has_no_backend_to_ask() -> None:
    said = as_printed("as_printed.celery.AsyncResult('any-id').state")
    wanted = "'DisabledBackend' object has no attribute '_get_task_meta_for'"
    assert f"AttributeError: {wanted}" in said


def test_the_default_backend_is_none_at_all() -> None:
    assert Celery("bare").conf.result_backend is None
    assert type(Celery("bare").backend).__name__ == "DisabledBackend"


def test_the_database_backend_is_sqlalchemy() -> None:
    database = Path(celery.__file__).parent / "backends/database/__init__.py"
    assert "from sqlalchemy" in database.read_text()

    assert BACKEND_ALIASES["database"] == "celery.backends.database:DatabaseBackend"
    assert BACKEND_ALIASES["db"] == BACKEND_ALIASES["database"]
    assert not {"django-db", "django", "orm"} & set(BACKEND_ALIASES), "Django's is a package's"


def test_the_listing_starts_work_on_a_get() -> None:
    said = as_printed("print(sorted(next(as_printed.app.url_map.iter_rules('start')).methods))")
    assert "'GET'" in said
    assert "'POST'" not in said


def test_a_name_that_no_worker_knows_is_recorded_as_not_registered(any_lab: ChapterRun) -> None:
    celery = Celery(broker=any_lab.broker_url, backend=any_lab.result_backend)
    result = celery.send_task("tasks.my_tusk", args=[2, 3])
    with pytest.raises(NotRegistered, match=r"tasks\.my_tusk"):
        result.get(timeout=10)
    assert result.state == "FAILURE"


def test_ours_starts_no_work_on_a_get(lab: ChapterRun, client: httpx.Client) -> None:
    for way in ("blocking", "background", "my-task"):
        assert client.get(f"{lab.url}/{way}").status_code == 405


def test_flask_never_imports_the_tasks() -> None:
    said = as_printed("import app, sys; print('tasks' in sys.modules)")
    assert said.strip().endswith("False")


def test_messages_other_than_json_are_refused(
    any_lab: ChapterRun, final_status: Callable[..., Any], client: httpx.Client
) -> None:
    celery = Celery(broker=any_lab.broker_url, backend=any_lab.result_backend)
    celery.send_task("tasks.my_task", args=[2, 3], serializer="pickle")
    answer = client.post(f"{any_lab.url}/my-task", data={"arg1": 1, "arg2": 2})
    final_status(client, any_lab.url + answer.headers["Location"])  # it comes after the pickle
    refused = [line for line in any_lab.log.lines("worker") if "pickle" in line]
    assert any("Refusing to deserialize untrusted content" in line for line in refused)
