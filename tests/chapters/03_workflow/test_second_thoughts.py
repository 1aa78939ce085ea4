"""What people do while something is under way: order again, add a photo, change their mind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from celery.signals import after_task_publish
from flask import Flask

from tests.away import is_a_503
from tests.waiting import wait_until
from workbench.bench import Bench


def waiting(lab: Bench) -> int:
    """Return how many messages wait in the queue."""
    found = redis.Redis.from_url(lab.broker_url).llen("lab")
    assert isinstance(found, int)
    return found


def test_a_photo_that_comes_while_its_album_is_developed_is_for_the_next_time(
    visit: Any, small_photo: bytes
) -> None:
    path = visit.album(small_photo, small_photo)
    family = visit.lab.services["worker"].family()
    for process in family:
        process.suspend()
    try:
        visit.accepted(visit.post(f"{path}/orders"))
        visit.accepted(visit.hand_in(small_photo, "late.jpg", f"{path}/photos"), 201)
    finally:
        for process in family:
            process.resume()
    album = visit.finished(path)
    assert album["progress"] == {"done": 4, "total": 4}
    assert len(album["photos"]) == 3
    visit.accepted(visit.post(f"{path}/orders"))
    wait_until(lambda: visit.get(path)["progress"]["done"] == 5, "the album with all three")


@pytest.mark.slow
def test_an_album_ordered_twice_at_once_is_finished(visit: Any, small_photo: bytes) -> None:
    path = visit.album(*[small_photo] * 4)
    for _ in range(4):
        visit.accepted(visit.post(f"{path}/orders"))
    visit.finished(path)
    wait_until(lambda: waiting(visit.lab) == 0, "the other orders to be taken")
    assert visit.get(path)["state"] == "SUCCESS"


@pytest.mark.slow
def test_an_order_that_is_refused_leaves_a_finished_album_as_it_was(
    visit: Any, small_photo: bytes
) -> None:
    before = visit.ordered(small_photo)
    path = f"/albums/{before['id']}"
    visit.lab.stop("broker")
    is_a_503(visit.post(f"{path}/orders"))
    visit.lab.start("broker")
    after = wait_until(lambda: visit.get(path), "the album")
    kept = ("id", "state", "result", "error", "photos", "sheet", "tries")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}


@pytest.mark.slow
def test_an_album_that_was_sent_by_half_isnt_ordered_and_its_answer_claims_no_more(
    visit: Any, app: Flask, small_photo: bytes
) -> None:
    """The broker goes away after the first photo's message, which a worker takes later."""
    path = visit.album(small_photo, small_photo)
    visit.end_worker()
    before = visit.kept()

    def end_broker(**_: object) -> None:
        if visit.lab.services["broker"].running():
            visit.lab.stop("broker")

    after_task_publish.connect(end_broker)
    try:
        answer = app.test_client().post(f"{path}/orders")
    finally:
        after_task_publish.disconnect(end_broker)
    assert answer.status_code == 503
    assert answer.json
    assert answer.json["detail"] == (
        "The queue can't be reached. Your order wasn't taken: try again in a moment."
    )
    assert visit.kept() == before
    visit.lab.start_all()
    album = visit.get(path)
    assert (album["state"], album["orders"]) == (None, [])
    sql = "select count(developed) from photo where album_id = ?"
    wait_until(lambda: visit.query(sql, album["id"]) == [(1,)], "the photo that was sent")
    visit.accepted(visit.post(f"{path}/orders"))
    visit.finished(path)


@pytest.mark.slow
def test_any_order_that_is_taken_back_while_no_worker_runs_is_not_done(
    visit: Any, small_photo: bytes
) -> None:
    visit.lab.stop("worker")
    order = visit.accepted(visit.hand_in(small_photo))
    assert visit.delete(order).json()["state"] == "REVOKED"
    path = visit.album(small_photo)
    visit.accepted(visit.post(f"{path}/orders"))
    part = visit.get(path)["orders"][0]["id"]
    assert visit.delete(f"/tasks/{part}").json()["state"] == "REVOKED"
    visit.lab.start("worker")
    error = wait_until(lambda: visit.get(path)["error"], "the errback to say why")
    assert error["type"] == "ChordError"
    status = visit.until(order, "REVOKED")
    assert status["error"] == {"type": "TaskRevokedError", "message": "taken back"}
    assert status["print"] is None


@pytest.mark.slow
def test_a_mood_that_is_set_before_the_mail_server_starts_spoils_nothing(
    tmp_path: Path, make_visit: Callable[[Bench], Any], small_photo: bytes
) -> None:
    with Bench("03", folder=tmp_path, only=["web", "worker"]) as bench:
        visit = make_visit(bench)
        assert visit.post("/mail/mood", mood="takes").status_code == 200
        bench.start("mail")
        visit.ordered(small_photo, email="early@example.com")
        assert len(visit.letters("early@example.com")) == 1
