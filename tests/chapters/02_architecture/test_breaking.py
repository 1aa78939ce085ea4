"""What the lesson says of things that break: a worker of two, a stranger, the broker."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery

from tests.support.chapter_runs import need_rabbitmq
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

FinalStatus = Callable[[httpx.Client, str], dict[str, Any]]
StartRun = Callable[[str, str], ChapterRun]


@pytest.fixture(params=["redis", "rabbitmq"])
def lab_of_a_broker(request: pytest.FixtureRequest, labs: StartRun) -> Iterator[ChapterRun]:
    chapter_run = labs(request.param, "redis")
    yield chapter_run
    chapter_run.start_all()


def is_rabbitmq(lab: ChapterRun) -> bool:
    return lab.broker_url.startswith("amqp")


def upload(client: httpx.Client, lab: ChapterRun, photo: bytes) -> str:
    def send() -> httpx.Response | None:
        answer = client.post(f"{lab.url}/photos", files={"photo": photo})
        return answer if answer.status_code == 202 else None  # 503: a connection from before

    accepted = wait_until(send, "the order to be accepted")
    assert accepted
    return str(accepted.json()["id"])


def state(client: httpx.Client, lab: ChapterRun, order: str) -> str:
    return str(client.get(f"{lab.url}/tasks/{order}").json()["state"])


# --- a worker that doesn't know the task ---------------------------------------------------------


@pytest.mark.slow
def test_a_worker_that_knows_no_task_takes_it_and_fails(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    lab.stop("worker")
    quick = "--pool solo --without-mingle --without-gossip"
    lab.add("stranger", f"celery worker -Q photos -n stranger@%h {quick}")
    lab.start("stranger")
    try:
        order = upload(client, lab, small_photo)
        status = final_status(client, f"{lab.url}/tasks/{order}")
        assert status["state"] == "FAILURE"
        assert status["error"] == {"type": "NotRegistered", "message": "'tasks.develop'"}
    finally:
        lab.stop("stranger")
        del lab.services["stranger"]


# --- two workers, one is killed ------------------------------------------------------------------


@pytest.fixture
def second(lab_of_a_broker: ChapterRun) -> Iterator[ChapterRun]:
    """Run a second worker besides the lab's own."""
    chapter_run = lab_of_a_broker
    chapter_run.add("second", "celery -A make_celery worker --concurrency 2 -n second@%h")
    chapter_run.start("second")
    yield chapter_run
    chapter_run.stop("second")
    del chapter_run.services["second"]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_of_two_workers_one_is_killed(
    second: ChapterRun, client: httpx.Client, sample_photo: bytes
) -> None:
    lab, inspect = second, Celery(broker=second.broker_url).control.inspect(timeout=1)

    def held(by: str) -> list[str]:
        """Return the ids that the lab's own worker is at work on, and those it has fetched."""
        answers = getattr(inspect, by)() or {}
        own = [tasks for name, tasks in answers.items() if not name.startswith("second@")]
        return [task["id"] for tasks in own for task in tasks]

    orders = [upload(client, lab, sample_photo) for _ in range(10)]
    wait_until(lambda: len(held("active")) == 2, "two to be begun")
    fetched = held("reserved")
    lab.kill("worker")
    begun = [order for order in orders if state(client, lab, order) == "STARTED"]
    assert fetched, "the killed worker had fetched more than it had begun"

    def done() -> int:
        return [state(client, lab, order) for order in orders].count("SUCCESS")

    # The two that were begun are lost. What was only fetched: see below.
    expected = 8 if is_rabbitmq(lab) else 8 - len(fetched)
    wait_until(lambda: done() >= expected, f"{expected} of ten, by the second worker", 100)
    states = {order: state(client, lab, order) for order in orders}
    lost = [order for order in begun if states[order] == "STARTED"]
    assert len(lost) == 2, "what was begun stays so, for nobody"
    for order in fetched:
        if order not in begun:
            assert states[order] == ("SUCCESS" if is_rabbitmq(lab) else "PENDING")


# --- the broker is restarted while messages wait -------------------------------------------------


def order_and_restart(lab: ChapterRun, client: httpx.Client, photo: bytes, way: str) -> str:
    """Upload a photo while no worker runs, stop or kill the broker, and start both again."""
    lab.stop("worker")
    order = upload(client, lab, photo)
    getattr(lab, way)("broker")
    lab.start("broker")
    lab.start("worker")
    return order


@pytest.mark.slow
def test_messages_survive_a_broker_that_is_stopped(
    lab_of_a_broker: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    order = order_and_restart(lab_of_a_broker, client, small_photo, "stop")
    status = final_status(client, f"{lab_of_a_broker.url}/tasks/{order}")
    assert status["state"] == "SUCCESS"


@pytest.mark.slow
def test_messages_in_a_redis_that_is_killed_are_lost(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    order = order_and_restart(lab, client, small_photo, "kill")
    later = upload(client, lab, small_photo)
    assert final_status(client, f"{lab.url}/tasks/{later}")["state"] == "SUCCESS"
    assert state(client, lab, order) == "PENDING", "it is lost: a later one is done"


@pytest.mark.slow
def test_messages_that_rabbitmq_has_confirmed_survive_a_kill(
    client: httpx.Client,
    small_photo: bytes,
    final_status: FinalStatus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need_rabbitmq()
    monkeypatch.setenv("LAB_CELERY__broker_transport_options__confirm_publish", "true")
    with ChapterRun("02", broker="rabbitmq", folder=tmp_path) as lab:
        order = order_and_restart(lab, client, small_photo, "kill")
        assert final_status(client, f"{lab.url}/tasks/{order}")["state"] == "SUCCESS"
