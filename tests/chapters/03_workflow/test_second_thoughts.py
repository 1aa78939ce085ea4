"""What people do while something is under way: order again, add a photo, change their mind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from celery.signals import after_task_publish
from flask import Flask

from tests.support.outages import expect_503
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun


def waiting(lab: ChapterRun) -> int:
    """Return how many messages wait in the queue."""
    found = redis.Redis.from_url(lab.broker_url).llen("lab")
    assert isinstance(found, int)
    return found


def test_a_photo_that_comes_while_its_album_is_developed_is_for_the_next_time(
    api: Any, small_photo: bytes
) -> None:
    path = api.album(small_photo, small_photo)
    processes = api.lab.services["worker"].process_tree()
    for process in processes:
        process.suspend()
    try:
        api.accepted(api.post(f"{path}/orders"))
        api.accepted(api.hand_in(small_photo, "late.jpg", f"{path}/photos"), 201)
    finally:
        for process in processes:
            process.resume()
    album = api.finished(path)
    assert album["progress"] == {"done": 4, "total": 4}
    assert len(album["photos"]) == 3
    api.accepted(api.post(f"{path}/orders"))
    wait_until(lambda: api.get(path)["progress"]["done"] == 5, "the album with all three")


@pytest.mark.slow
def test_an_album_ordered_twice_at_once_is_finished(api: Any, small_photo: bytes) -> None:
    path = api.album(*[small_photo] * 4)
    for _ in range(4):
        api.accepted(api.post(f"{path}/orders"))
    api.finished(path)
    wait_until(lambda: waiting(api.lab) == 0, "the other orders to be taken")
    assert api.get(path)["state"] == "SUCCESS"


@pytest.mark.slow
def test_an_order_that_is_refused_leaves_a_finished_album_as_it_was(
    api: Any, small_photo: bytes
) -> None:
    before = api.ordered(small_photo)
    path = f"/albums/{before['id']}"
    api.lab.stop("broker")
    expect_503(api.post(f"{path}/orders"))
    api.lab.start("broker")
    after = wait_until(lambda: api.get(path), "the album")
    kept = ("id", "state", "result", "error", "photos", "sheet", "tries")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}


@pytest.mark.slow
def test_an_album_that_was_sent_by_half_isnt_ordered_and_its_answer_claims_no_more(
    api: Any, app: Flask, small_photo: bytes
) -> None:
    """The broker goes away after the first photo's message, which a worker takes later."""
    path = api.album(small_photo, small_photo)
    api.end_worker()
    before = api.kept()

    def end_broker(**_: object) -> None:
        if api.lab.services["broker"].running():
            api.lab.stop("broker")

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
    assert api.kept() == before
    api.lab.start_all()
    album = api.get(path)
    assert (album["state"], album["orders"]) == (None, [])
    sql = "select count(developed) from photo where album_id = ?"
    wait_until(lambda: api.query(sql, album["id"]) == [(1,)], "the photo that was sent")
    api.accepted(api.post(f"{path}/orders"))
    api.finished(path)


@pytest.mark.slow
def test_any_order_that_is_taken_back_while_no_worker_runs_is_not_done(
    api: Any, small_photo: bytes
) -> None:
    api.lab.stop("worker")
    order = api.accepted(api.hand_in(small_photo))
    assert api.delete(order).json()["state"] == "REVOKED"
    path = api.album(small_photo)
    api.accepted(api.post(f"{path}/orders"))
    part = api.get(path)["orders"][0]["id"]
    assert api.delete(f"/tasks/{part}").json()["state"] == "REVOKED"
    api.lab.start("worker")
    error = wait_until(lambda: api.get(path)["error"], "the errback to say why")
    assert error["type"] == "ChordError"
    status = api.until(order, "REVOKED")
    assert status["error"] == {"type": "TaskRevokedError", "message": "taken back"}
    assert status["print"] is None


@pytest.mark.slow
def test_a_mood_that_is_set_before_the_mail_server_starts_spoils_nothing(
    tmp_path: Path, make_api: Callable[[ChapterRun], Any], small_photo: bytes
) -> None:
    with ChapterRun("03", folder=tmp_path, only=["web", "worker"]) as chapter_run:
        api = make_api(chapter_run)
        assert api.post("/mail/mood", mood="takes").status_code == 200
        chapter_run.start("mail")
        api.ordered(small_photo, email="early@example.com")
        assert len(api.letters("early@example.com")) == 1
