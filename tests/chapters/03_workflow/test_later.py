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
from flask import Flask
from kombu.exceptions import EncodeError

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

Run = Callable[..., str]


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def publication(api: Any, photo: dict[str, Any], due: datetime) -> str:
    """Order a publication; return where to ask for it."""
    return str(api.accepted(api.post(photo["publish"], at=due.isoformat())))


def published(api: Any, photo: dict[str, Any]) -> float | None:
    """Return since when a photo is in the window."""
    cards = [card for card in api.get("/photos")["photos"] if card["id"] == photo["id"]]
    since: float | None = cards[0]["published"]
    return since


def stored(lab: ChapterRun, order: str) -> str | None:
    """Return the state that Celery has stored, if any."""
    found: Any = redis.Redis.from_url(lab.result_backend).get(f"celery-task-meta-{order}")
    return str(json.loads(found)["status"]) if found else None


def is_stored(lab: ChapterRun, order: str, state: str) -> None:
    wait_until(lambda: stored(lab, order) == state, f"{state} to be stored")


# --- a publication, now or never -----------------------------------------------------------------


def test_a_publication_happens_at_its_time_unless_it_was_taken_back(
    api: Any, small_photo: bytes
) -> None:
    kept, dropped, sentinel = (api.developed(small_photo) for _ in range(3))
    due = in_seconds(1.5)
    orders = [publication(api, photo, due) for photo in (kept, dropped)]
    assert api.delete(orders[1]).json()["state"] == "REVOKED", "at once"
    assert api.get(orders[0])["state"] == "PENDING"
    last = publication(api, sentinel, due + timedelta(seconds=0.5))

    status = api.until(orders[0], "SUCCESS")
    assert list(status["result"]) == ["published"]
    since = status["result"]["published"]
    assert due.timestamp() <= since < due.timestamp() + 2, "not before, and soon after"
    assert published(api, kept) == since
    api.until(last, "SUCCESS")
    assert published(api, dropped) is None
    assert api.get(orders[1])["state"] == "REVOKED"


def test_a_photo_is_planned_once_and_published_again_keeps_the_first_time(
    api: Any, small_photo: bytes
) -> None:
    photo = api.developed(small_photo)
    first = publication(api, photo, in_seconds(1))
    second = api.post(photo["publish"], at=in_seconds(2).isoformat())
    assert second.status_code == 409
    assert "take that back first" in second.json()["detail"]
    since = api.until(first, "SUCCESS")["result"]
    again = publication(api, photo, in_seconds(0.3))
    assert api.until(again, "SUCCESS")["result"] == since == {"published": published(api, photo)}


def test_what_was_taken_back_is_not_done_by_a_worker_that_starts_later(
    api: Any, small_photo: bytes
) -> None:
    """`revoke` tells the workers that run, and none did: the row counts.

    What the queue holds meanwhile is looked at, too.
    """
    photo, sentinel = api.developed(small_photo), api.developed(small_photo)
    api.end_worker()
    due = in_seconds(0.5)
    order = publication(api, photo, due)
    assert api.delete(order).json()["state"] == "REVOKED"
    assert stored(api.lab, order[7:]) is None, "only the row says so yet"
    broker = redis.Redis.from_url(api.lab.broker_url, decode_responses=True)
    (message,) = [json.loads(one)["headers"] for one in broker.lrange("lab", 0, -1)]
    again = api.accepted(api.post(f"/photos/{photo['id']}/orders"))
    assert api.delete(again).json()["state"] == "REVOKED", "an order of any kind"
    assert message["id"] == order[7:]
    eta = datetime.fromisoformat(message["eta"])
    assert eta == due
    assert eta.utcoffset() is not None, "the time travels with its zone"

    last = publication(api, sentinel, in_seconds(0.5))
    api.lab.start("worker")
    api.until(last, "SUCCESS")
    for taken in (order, again):
        is_stored(api.lab, taken[7:], "REVOKED")
        status = api.get(taken)
        assert (status["state"], status["print"]) == ("REVOKED", None)
        assert status["error"] == {"type": "TaskRevokedError", "message": "taken back"}
    assert published(api, photo) is None


@pytest.mark.slow
@pytest.mark.parametrize("way", ["stop", "kill"])
def test_a_worker_that_is_restarted_doesnt_do_what_was_taken_back(
    api: Any, small_photo: bytes, way: str
) -> None:
    """The worker had fetched it, and was told: but it isn't the same worker any more."""
    photo, sentinel = api.developed(small_photo), api.developed(small_photo)
    due = in_seconds(8)
    order = publication(api, photo, due)
    api.says("worker", f"{order[7:]}] received")
    api.delete(order)
    getattr(api.lab, way)("worker")
    assert datetime.now(UTC) < due
    api.lab.start("worker")
    last = publication(api, sentinel, max(due, in_seconds(0)) + timedelta(seconds=1))
    api.until(last, "SUCCESS")
    assert published(api, photo) is None
    assert api.get(order)["state"] == "REVOKED"


# --- times that are aware, times that aren't -----------------------------------------------------


@pytest.fixture
def shelf(lab: ChapterRun) -> Iterator[str]:
    """Return the name of a queue that no worker looks at."""
    yield "shelf"
    redis.Redis.from_url(lab.broker_url).delete("shelf")


def on_the_shelf(lab: ChapterRun) -> list[dict[str, Any]]:
    """Return the messages that lie there, the latest first."""
    broker = redis.Redis.from_url(lab.broker_url, decode_responses=True)
    return [json.loads(message) for message in broker.lrange("shelf", 0, -1)]


def test_a_naive_time_is_taken_as_utc_and_comes_eight_hours_late(
    lab: ChapterRun, run: Run, celery: Celery, shelf: str
) -> None:
    """A reader in Shanghai asks for "in two hours"; once with the zone, once without."""
    script = (
        "from datetime import datetime, timedelta\n"
        "from make_celery import celery_app\n"
        "local = datetime.now() + timedelta(hours=2)\n"
        "for eta in (local, local.astimezone()):\n"
        f"    for queue in ('{shelf}', 'lab'):\n"
        "        celery_app.send_task('tasks.my_task', [2, 3], eta=eta, queue=queue)\n"
    )
    said = run(f'python -c "{script}"', TZ="Asia/Shanghai")
    assert said == ""
    aware, naive = (message["headers"]["eta"] for message in on_the_shelf(lab))
    assert naive + "+08:00" == aware, "the same words, but for the zone"

    def scheduled() -> list[dict[str, Any]]:
        workers: Any = celery.control.inspect(timeout=2, limit=1).scheduled() or {}
        found = [task for tasks in workers.values() for task in tasks]
        ours = [task for task in found if task["request"]["name"] == "tasks.my_task"]
        return ours if len(ours) == 2 else []

    waiting = wait_until(scheduled, "the worker to have both")
    try:
        hours = sorted(
            (datetime.fromisoformat(task["eta"]) - datetime.now(UTC)) / timedelta(hours=1)
            for task in waiting
        )
        assert hours == pytest.approx([2, 10], abs=0.1)
    finally:
        celery.control.revoke([task["request"]["id"] for task in waiting])


def test_a_countdown_is_a_time_that_is_aware(lab: ChapterRun, celery: Celery, shelf: str) -> None:
    celery.send_task("tasks.my_task", [2, 3], countdown=60, expires=120, queue=shelf)
    (message,) = on_the_shelf(lab)
    for header, seconds in (("eta", 60), ("expires", 120)):
        when = datetime.fromisoformat(message["headers"][header])
        assert (when - datetime.now(UTC)).total_seconds() == pytest.approx(seconds, abs=5)


def test_an_order_that_has_expired_is_not_begun(lab: ChapterRun, celery: Celery) -> None:
    result: Any = celery.send_task("tasks.my_task", [2, 3], expires=in_seconds(-1), queue="lab")
    with pytest.raises(TaskRevokedError, match="expired"):
        result.get(timeout=10)
    assert result.state == "REVOKED"
    assert f"tasks.my_task[{result.id}] received" in str(lab.log.lines("worker"))
    assert f"tasks.my_task[{result.id}] succeeded" not in str(lab.log.lines("worker"))


# --- what each way of sending checks, and when ---------------------------------------------------


@pytest.fixture
def my_task(app: Flask) -> Iterator[Any]:
    """Return the article's task, as a task of the app in this process."""
    from lab.tasks import my_task

    with app.app_context():
        yield my_task


def test_each_way_of_sending_sends_the_same(lab: ChapterRun, celery: Celery, my_task: Any) -> None:
    results = [
        my_task.delay(2, 3),
        my_task.apply_async((2, 3)),
        my_task.apply_async(kwargs={"arg1": 2, "arg2": 3}),
        my_task.s(2, 3).delay(),
        my_task.s(3).delay(2),  # what comes later stands in front
        celery.send_task("tasks.my_task", [2, 3]),
    ]
    assert [result.get(timeout=10) for result in results] == [5] * 6
    assert my_task(2, 3) == 5, "a call: no message, no worker"


def test_a_wrong_number_of_arguments_is_noticed_by_the_caller(
    lab: ChapterRun, my_task: Any, celery: Celery
) -> None:
    """Erratum e: the article calls a task that takes no arguments with two."""

    @celery.task(name="tasks.article")
    def article() -> str:
        return "This is my task"

    with pytest.raises(TypeError, match="takes 0 positional arguments but 2 were given"):
        article.apply_async(args=(1, 2))
    with pytest.raises(TypeError, match="takes 0 positional arguments but 2 were given"):
        article.delay(1, 2)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'arg2'"):
        my_task.delay(1)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'arg2'"):
        my_task.apply_async((1,))
    with pytest.raises(TypeError, match="unexpected keyword argument 'arg3'"):
        my_task.delay(1, 2, arg3=3)


def test_a_signature_is_checked_when_it_is_sent(my_task: Any) -> None:
    signature = my_task.s(1, 2, 3)
    assert signature.args == (1, 2, 3), "not yet"
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        signature.delay()


def test_send_task_checks_nothing_and_the_worker_records_the_failure(celery: Celery) -> None:
    result = celery.send_task("tasks.my_task", [1], queue="lab")
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'arg2'"):
        result.get(timeout=10)
    assert result.state == "FAILURE"
    unknown = celery.send_task("tasks.nothing", [1], queue="lab")
    assert type(unknown.get(timeout=10, propagate=False)).__name__ == "NotRegistered"


# --- what travels --------------------------------------------------------------------------------


def arrives(lab: ChapterRun, celery: Celery, argument: object) -> object:
    """Send an argument, and return it as a worker would have it."""
    celery.send_task("tasks.my_task", [argument], queue="shelf")
    with celery.connection_for_read() as connection:
        queue = connection.SimpleQueue("shelf")
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
        timedelta(seconds=90).total_seconds(),
        Decimal("1.10"),
        UUID("6a8f12a0-0000-4000-8000-000000000000"),
        b"\x00\xff",
    ],
    ids=lambda argument: type(argument).__name__,
)
def test_these_arrive_as_they_were(
    lab: ChapterRun, celery: Celery, shelf: str, argument: object
) -> None:
    found = arrives(lab, celery, argument)
    assert (type(found), found) == (type(argument), argument)


def test_these_arrive_changed(lab: ChapterRun, celery: Celery, shelf: str) -> None:
    assert arrives(lab, celery, (1, 2)) == [1, 2]
    assert arrives(lab, celery, {1: "one"}) == {"1": "one"}


@pytest.mark.parametrize("argument", [{1, 2}, object(), 1j], ids=["set", "object", "complex"])
def test_these_are_refused_at_the_caller(
    lab: ChapterRun, celery: Celery, shelf: str, argument: object
) -> None:
    with pytest.raises(EncodeError, match="not JSON serializable"):
        celery.send_task("tasks.my_task", [argument], queue=shelf)
    assert on_the_shelf(lab) == [], "nothing was sent"


def test_a_real_worker_gives_them_back(celery: Celery) -> None:
    for one, other, both in (
        (Decimal("1.10"), Decimal("2.20"), Decimal("3.30")),
        (b"\x00", b"\xff", b"\x00\xff"),
        ((1,), (2,), [1, 2]),
    ):
        result = celery.send_task("tasks.my_task", [one, other], queue="lab").get(timeout=10)
        assert (type(result), result) == (type(both), both)


def test_a_message_holds_names_and_arguments_and_no_code(
    lab: ChapterRun, celery: Celery, shelf: str
) -> None:
    celery.send_task("tasks.my_task", [2, 3], queue=shelf)
    (message,) = on_the_shelf(lab)
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "tasks.my_task"
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert (args, kwargs) == ([2, 3], {})
