"""The four traps of the lesson, and a fifth: each fails with these words, and is mended."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

CHAPTER = Path(__file__).parents[3] / "chapters/02_architecture"
FinalStatus = Callable[[httpx.Client, str], dict[str, Any]]
QUICK = "--pool solo --without-mingle --without-gossip"


def said(command: str, env: dict[str, str] | None = None) -> str:
    """Run a command in the chapter's folder, and return all that it prints."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=CHAPTER,
        env=os.environ
        | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout


@pytest.fixture
def celery(lab: ChapterRun) -> Celery:
    return Celery(broker=lab.broker_url, backend=lab.result_backend)


# --- 1: what `celery -A` finds -------------------------------------------------------------------


@pytest.mark.slow  # the lesson does the same each time
def test_celery_takes_a_name_app_for_its_own() -> None:
    words = "AttributeError: 'Flask' object has no attribute 'user_options'"
    assert words in said("celery -A traps.wrong_app report")
    assert "software -> celery" in said("celery -A traps.wrong_app:celery_app report"), "mended"


@pytest.mark.slow  # the lesson does the same each time
def test_celery_doesnt_call_a_factory() -> None:
    words = "AttributeError: 'function' object has no attribute 'user_options'"
    assert words in said("celery -A lab:create_app report")
    assert "software -> celery" in said("celery -A make_celery report"), "mended"


# --- 2: no application context -------------------------------------------------------------------


@pytest.fixture
def bare(lab: ChapterRun, tmp_path: Path) -> Iterator[str]:
    """Run a worker whose Celery app was made apart from the factory; return its queue."""
    (tmp_path / "bare.py").write_text(
        "from celery import Celery\n"
        f"celery_app = Celery('bare', broker={lab.broker_url!r}, backend={lab.result_backend!r})\n"
        "celery_app.conf.include = ['lab.tasks']\n"
    )
    command = f"PYTHONPATH={tmp_path} celery -A bare worker -Q bare -n bare@%h {QUICK}"
    lab.add("bare", command)
    lab.start("bare")
    yield "bare"
    lab.stop("bare")
    del lab.services["bare"]


@pytest.mark.slow
def test_a_celery_app_apart_from_the_factory_runs_tasks_in_no_context(
    celery: Celery, bare: str
) -> None:
    result = celery.send_task("tasks.develop", ["any id"], queue=bare)
    error = result.get(timeout=10, propagate=False)
    assert type(error) is RuntimeError
    assert str(error).startswith("Working outside of application context.")


def test_the_factorys_celery_app_runs_tasks_in_the_context(celery: Celery) -> None:
    error = celery.send_task("tasks.develop", ["any id"], queue="photos").get(10, propagate=False)
    assert type(error).__name__ == "NoResultFound", "it has asked the database"


# --- 3: a name that isn't registered -------------------------------------------------------------


def test_a_name_that_isnt_registered_fails_and_says_which(lab: ChapterRun, celery: Celery) -> None:
    error = celery.send_task("lab.tasks.develop", ["x"], queue="photos").get(10, propagate=False)
    assert (type(error).__name__, str(error)) == ("NotRegistered", "'lab.tasks.develop'")
    words = "Received unregistered task of type 'lab.tasks.develop'."
    wait_until(lambda: any(words in line for line in lab.log.lines("worker")), words)


def test_the_worker_tells_which_names_it_knows(celery: Celery) -> None:
    workers = celery.control.inspect(timeout=2, limit=1).registered() or {}
    assert list(workers.values()) == [["tasks.develop", "tasks.my_task"]]


# --- 4: two apps on one queue --------------------------------------------------------------------


@pytest.fixture
def alone(lab: ChapterRun) -> ChapterRun:
    """Stop the lab's own worker, so that what comes is for the other."""
    lab.stop("worker")
    return lab


@pytest.fixture
def another(alone: ChapterRun, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Return what starts the worker of another lab, with variables; stop it afterwards."""
    folder = tmp_path / "another"
    said("flask --app lab init-db", {"LAB_DIR": str(folder)})

    def start(variables: str) -> None:
        command = f"{variables} celery -A make_celery worker -n another@%h {QUICK}"
        alone.add("another", f"LAB_DIR={folder} {command}")
        alone.start("another")

    yield start
    alone.stop("another")
    del alone.services["another"]


@pytest.mark.slow
def test_another_apps_worker_takes_from_a_common_queue_and_fails(
    alone: ChapterRun,
    another: Callable[[str], None],
    client: httpx.Client,
    small_photo: bytes,
    final_status: FinalStatus,
) -> None:
    another("")
    answer = client.post(f"{alone.url}/photos", files={"photo": small_photo})
    status = final_status(client, alone.url + answer.headers["Location"])
    words = "No row was found when one was required"
    assert status["error"] == {"type": "NoResultFound", "message": words}


@pytest.mark.slow
def test_a_queue_each_keeps_them_apart(
    alone: ChapterRun,
    another: Callable[[str], None],
    client: httpx.Client,
    small_photo: bytes,
    final_status: FinalStatus,
) -> None:
    another("LAB_CELERY__task_default_queue=another")
    answer = client.post(f"{alone.url}/photos", files={"photo": small_photo})
    address = alone.url + answer.headers["Location"]
    assert client.get(address).json()["state"] == "PENDING"
    alone.start("worker")
    assert final_status(client, address)["state"] == "SUCCESS"


# --- 5: before the commit ------------------------------------------------------------------------


def test_a_task_that_is_sent_before_the_commit_finds_no_row(lab: ChapterRun) -> None:
    assert said("python -m traps.too_early", lab.env) == (
        "NoResultFound('No row was found when one was required')\n"
    )
