"""What two result backends can't do: rpc, and none at all. (Redis and SQLAlchemy: test_app.)"""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import pytest
from celery import Celery
from celery.exceptions import TimeoutError
from celery.result import AsyncResult

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

QUICK = "--pool solo --without-mingle --without-gossip"


@pytest.fixture
def rpc(lab: ChapterRun) -> Iterator[Celery]:
    """Run one more worker, which sends results back by rpc; return an app that talks to it."""
    command = f"celery -A make_celery worker -Q rpc -n rpc@%h {QUICK} --loglevel INFO"
    lab.add("rpc", f"env CELERY_RESULT_BACKEND=rpc:// {command}")
    lab.start("rpc")
    celery = Celery(broker=lab.broker_url, backend="rpc://")
    celery.conf.task_default_queue = "rpc"
    yield celery
    celery.close()
    lab.stop("rpc")
    del lab.services["rpc"]


@pytest.mark.slow
def test_rpc_results_reach_only_the_thread_that_sent(lab: ChapterRun, rpc: Celery) -> None:
    result = rpc.send_task("tasks.my_task", [2, 3])
    words = f"{result.id}] succeeded"
    wait_until(lambda: any(words in line for line in lab.log.lines("rpc")), words)

    told: list[str] = []

    def ask() -> None:
        same: AsyncResult[int] = rpc.AsyncResult(result.id)
        told.append(same.state)
        try:
            same.get(timeout=1)
        except TimeoutError:
            told.append("nothing came")

    thread = Thread(target=ask)  # as another request would be
    thread.start()
    thread.join()
    assert told == ["PENDING", "nothing came"]
    assert result.get(timeout=10) == 5, "in the thread that sent it"


def test_without_a_backend_nobody_can_be_asked(lab: ChapterRun) -> None:
    result = Celery(broker=lab.broker_url).send_task("tasks.my_task", [2, 3], queue="photos")
    words = f"{result.id}] succeeded"
    wait_until(lambda: any(words in line for line in lab.log.lines("worker")), words)

    with pytest.raises(AttributeError, match="'DisabledBackend' object has no attribute"):
        _ = result.state
    with pytest.raises(NotImplementedError, match="No result backend is configured"):
        result.get(timeout=1)


@pytest.mark.slow
def test_without_a_backend_the_lab_says_so_and_develops_all_the_same(
    tmp_path: Path, client: httpx.Client, small_photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "disabled://")
    with ChapterRun("02", folder=tmp_path) as lab:
        answer = client.post(f"{lab.url}/photos", files={"photo": small_photo})
        assert answer.status_code == 202
        status = client.get(lab.url + answer.headers["Location"])
        assert status.status_code == client.get(f"{lab.url}/photos").status_code == 503
        assert "name one in CELERY_RESULT_BACKEND" in status.json()["detail"]
        wait_until(lambda: list(tmp_path.rglob("prints/*/large.jpg")), "the print")
