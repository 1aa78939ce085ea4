"""Sending a task, and having it done later: what is checked when, what travels, what is undone."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import redis
from celery import Celery
from celery.exceptions import TaskRevokedError
from kombu.exceptions import EncodeError

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

Run = Callable[..., str]
NOBODYS = "nobody"  # a queue that no worker looks at


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def published_at(api: Any, photo: dict[str, Any]) -> Any:
    return api.query("select published_at from photo where id = ?", photo["id"])[0][0]


def stored(lab: ChapterRun, order: str) -> str | None:
    """Return the state that Celery has stored, if any."""
    key = f"celery-task-meta-{order.removeprefix('/tasks/')}"
    found: Any = redis.Redis.from_url(lab.result_backend).get(key)
    return str(json.loads(found)["status"]) if found else None


# --- a publication, now or never


def test_a_publication_happens_at_its_time(api: Any, small_photo: bytes) -> None:
    photo = api.developed(small_photo)
    due = in_seconds(1.5)
    order = api.publish(photo, due)
    assert api.get(order)["state"] == "PENDING"

    done = api.until(order, "SUCCESS")

    assert done["result"] == {"published_at": published_at(api, photo)}
    assert due.timestamp() <= done["result"]["published_at"] < due.timestamp() + 5


def test_a_cancelled_publication_doesnt_happen(api: Any, small_photo: bytes) -> None:
    photo, other = api.developed(small_photo), api.developed(small_photo)
    due = in_seconds(1.5)
    order = api.publish(photo, due)
    assert api.cancel(order).json()["state"] == "REVOKED"

    api.until(api.publish(other, due + timedelta(seconds=0.5)), "SUCCESS")

    assert published_at(api, photo) is None
    assert api.get(order)["state"] == "REVOKED"


def test_a_photo_is_planned_once_and_the_first_time_it_is_published_counts(
    api: Any, small_photo: bytes
) -> None:
    photo = api.developed(small_photo)
    first = api.publish(photo, in_seconds(1))
    second = api.post(f"/photos/{photo['id']}/publication", at=in_seconds(2).isoformat())
    assert second.status_code == 409
    assert "cancel that first" in second.json()["detail"]

    results = [api.until(first)["result"], api.until(api.publish(photo, in_seconds(0.3)))["result"]]

    assert results == [{"published_at": published_at(api, photo)}] * 2


@pytest.mark.slow
def test_what_was_cancelled_isnt_done_by_a_worker_that_starts_later(
    api: Any, small_photo: bytes
) -> None:
    """`revoke` tells the workers that run, and none did: the row counts."""
    photo, other = api.developed(small_photo), api.developed(small_photo)
    with api.no_worker():
        orders = [
            api.publish(photo, in_seconds(0.5)),
            api.accepted(api.post(f"/photos/{photo['id']}/orders")),
        ]
        assert [api.cancel(order).json()["state"] for order in orders] == ["REVOKED"] * 2
        assert [stored(api.lab, order) for order in orders] == [None] * 2, "only the rows say so"
        last = api.publish(other, in_seconds(0.5))
    api.until(last, "SUCCESS")

    for order in orders:
        wait_until(lambda: stored(api.lab, order) == "REVOKED", "REVOKED to be stored")  # noqa: B023
        error = {"type": "TaskRevokedError", "message": "cancelled"}
        assert api.get(order)["error"] == error
    assert published_at(api, photo) is None


@pytest.mark.slow
@pytest.mark.parametrize("way", ["stop", "kill"])
def test_a_worker_that_is_restarted_doesnt_do_what_was_cancelled(
    api: Any, small_photo: bytes, way: str
) -> None:
    """The worker had fetched it, and was told: but the next one wasn't."""
    photo, other = api.developed(small_photo), api.developed(small_photo)
    due = in_seconds(12)
    order = api.publish(photo, due)
    api.says("worker", f"{order.removeprefix('/tasks/')}] received")
    api.cancel(order)
    getattr(api.lab, way)("worker")
    assert datetime.now(UTC) < due
    api.lab.start("worker")
    api.until(api.publish(other, max(due, in_seconds(0)) + timedelta(seconds=1)), "SUCCESS")

    assert published_at(api, photo) is None
    assert api.get(order)["state"] == "REVOKED"


@pytest.mark.slow
def test_a_revoked_task_is_held_until_its_time(api: Any, run: Run, small_photo: bytes) -> None:
    """`inspect scheduled` goes on listing it: the worker drops it when it is due."""
    photo = api.developed(small_photo)
    order = api.publish(photo, in_seconds(7200))
    api.says("worker", f"{order.removeprefix('/tasks/')}] received")
    assert "tasks.publish begins in 2.0 hours" in run("python -m support.scheduled")

    api.cancel(order)

    held = "tasks.publish is dropped, since it is revoked, in 2.0 hours"
    wait_until(lambda: held in run("python -m support.scheduled"), "the worker to know it")


# --- aware times, naive times


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Asia/Shanghai", ["begins in 0.0 hours", "begins in 8.0 hours"]),
        ("America/Bogota", ["begins in 0.0 hours"]),  # the naive one has run at once
    ],
)
def test_a_worker_takes_a_naive_time_for_utc(
    api: Any, run: Run, celery: Celery, zone: str, shown: list[str]
) -> None:
    before = run("python -m support.scheduled").splitlines()
    ids = [line.partition("=")[2] for line in run("python -m traps.naive", TZ=zone).splitlines()]
    try:
        for task_id in ids:
            api.says("worker", f"{task_id}] received")
        if len(shown) == 1:
            assert celery.AsyncResult(ids[0]).get(timeout=10) == 42
        after = run("python -m support.scheduled").splitlines()
    finally:
        celery.control.revoke(ids)
    new = list(after)
    for line in before:
        if line in new:
            new.remove(line)
    assert [line for line in new if "my_task" in line] == [
        f"tasks.my_task {what}" for what in shown
    ]


@pytest.fixture
def nobodys_messages(lab: ChapterRun, redis_client: Any) -> Iterator[Callable[[], Any]]:
    """Return a function that reads the messages in a queue that no worker looks at."""
    yield lambda: [json.loads(message) for message in redis_client.lrange(NOBODYS, 0, -1)]
    redis_client.delete(NOBODYS)


def test_countdown_and_expires_travel_as_aware_times(
    celery: Celery, nobodys_messages: Callable[[], Any]
) -> None:
    celery.send_task("tasks.my_task", [2, 3], countdown=60, expires=120, queue=NOBODYS)
    [message] = nobodys_messages()
    for header, seconds in (("eta", 60), ("expires", 120)):
        when = datetime.fromisoformat(message["headers"][header])
        assert (when - datetime.now(UTC)).total_seconds() == pytest.approx(seconds, abs=5)


def test_a_task_that_has_expired_is_not_begun(lab: ChapterRun, celery: Celery) -> None:
    result: Any = celery.send_task("tasks.my_task", [2, 3], expires=in_seconds(-1))
    with pytest.raises(TaskRevokedError, match="expired"):
        result.get(timeout=10)
    log = str(lab.log.lines("worker"))
    assert f"tasks.my_task[{result.id}] received" in log
    assert f"tasks.my_task[{result.id}] succeeded" not in log


# --- what each way of sending checks, and when

SAME = """
from make_celery import celery_app
from lab.tasks import my_task
results = [
    my_task.delay(2, 3),
    my_task.apply_async((2, 3)),
    my_task.apply_async(kwargs={"arg1": 2, "arg2": 3}),
    my_task.s(2, 3).delay(),
    my_task.s(3).delay(2),
    celery_app.send_task("tasks.my_task", [2, 3]),
]
print([result.get(timeout=10) for result in results], my_task(2, 3))
"""
ARTICLE = """
from make_celery import celery_app
@celery_app.task(name="tasks.article")
def my_task():
    return "This is my task"
try:
    my_task.apply_async(args=[1, 2])
except TypeError as error:
    print(error)
"""


@pytest.mark.slow
def test_each_way_of_sending_sends_the_same(run: Run) -> None:
    assert run(f"python - <<'END'{SAME}END") == "[5, 5, 5, 5, 5, 5] 5\n"


def test_a_wrong_number_of_arguments_is_noticed_by_the_caller_or_by_the_worker(run: Run) -> None:
    said = [line[:40].split()[-3:] for line in run("python -m traps.calls").splitlines()]
    who = [" ".join(words[:2]).rstrip(":") for words in said]
    assert who == ["the caller", "the caller", "nobody yet", "the caller", "the worker"]


def test_the_articles_listing_raises_at_the_caller(run: Run) -> None:
    """Erratum e: a task that takes no arguments is called with two."""
    said = run(f"python - <<'END'{ARTICLE}END")
    assert said == "my_task() takes 0 positional arguments but 2 were given\n"


def test_send_task_checks_nothing(celery: Celery) -> None:
    few = celery.send_task("tasks.my_task", [1]).get(timeout=10, propagate=False)
    unknown = celery.send_task("tasks.nothing", [1]).get(timeout=10, propagate=False)
    assert str(few) == "my_task() missing 1 required positional argument: 'arg2'"
    assert type(unknown).__name__ == "NotRegistered"


# --- what travels


def arrived(celery: Celery, argument: object) -> object:
    """Send an argument, and return it as a worker would have it."""
    celery.send_task("tasks.my_task", [argument], queue=NOBODYS)
    with celery.connection_for_read() as connection:
        queue = connection.SimpleQueue(NOBODYS)
        message = queue.get(timeout=5)
        message.ack()
        found: object = message.payload[0][0]
        queue.close()
    return found


@pytest.mark.parametrize(
    "argument",
    [
        *[None, True, 2, 2.5, "Été ☀", [1, "two"], {"a": [1]}],
        datetime(2026, 12, 24, 18, tzinfo=UTC),
        date(2026, 12, 24),
        Decimal("1.10"),
        UUID("6a8f12a0-0000-4000-8000-000000000000"),
        b"\x00\xff",
    ],
    ids=lambda argument: type(argument).__name__,
)
@pytest.mark.usefixtures("nobodys_messages")
def test_these_arrive_as_they_were(celery: Celery, argument: object) -> None:
    found = arrived(celery, argument)
    assert (type(found), found) == (type(argument), argument)


@pytest.mark.usefixtures("nobodys_messages")
def test_these_arrive_changed(celery: Celery) -> None:
    assert arrived(celery, (1, 2)) == [1, 2]
    assert arrived(celery, {1: "one"}) == {"1": "one"}


@pytest.mark.parametrize("argument", [{1, 2}, object(), 1j], ids=["set", "object", "complex"])
def test_these_are_refused_at_the_caller(
    celery: Celery, nobodys_messages: Callable[[], Any], argument: object
) -> None:
    with pytest.raises(EncodeError, match="not JSON serializable"):
        celery.send_task("tasks.my_task", [argument], queue=NOBODYS)
    assert nobodys_messages() == [], "nothing was sent"


def test_a_message_holds_names_and_arguments_and_no_code(
    celery: Celery, nobodys_messages: Callable[[], Any]
) -> None:
    celery.send_task("tasks.my_task", [2, 3], queue=NOBODYS)
    [message] = nobodys_messages()
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "tasks.my_task"
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert (args, kwargs) == ([2, 3], {})
