"""Cancelling an album as a whole: what isn't begun doesn't begin, and nothing else follows."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.http_contract import expect_problem, paused
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

CANCELLED = {"type": "TaskRevokedError", "message": "cancelled"}


def states(album: Any) -> list[str]:
    return [part["state"] for part in album["orders"]]


def expect_cancelled(album: Any) -> None:
    assert (album["state"], album["result"], album["error"]) == ("REVOKED", None, CANCELLED)


# --- the whole album -----------------------------------------------------------------------------


@pytest.mark.slow
def test_an_album_that_waits_is_cancelled_at_once_and_nothing_of_it_is_done(
    any_api: Any, small_photo: bytes
) -> None:
    """No worker runs, so nobody hears of it: what counts is what is written in the rows."""
    api = any_api
    album = api.new_album(*[small_photo] * 3)
    api.end_worker()
    api.order(album)
    answer = api.delete(f"{album}/orders")

    assert answer.status_code == 202
    expect_cancelled(answer.json())
    assert states(answer.json()) == ["REVOKED"] * 5
    api.lab.start("worker")
    wait_until(lambda: "FAILURE" in states(api.get(album)), "the worker to end the chord", 40)
    found = api.get(album)
    expect_cancelled(found)
    assert states(found)[:3] == ["REVOKED"] * 3
    assert found["sheet"] is None
    assert list((api.lab.folder / "lab/prints").glob(f"{found['photos'][0]['id']}/*")) == []


@pytest.mark.slow
def test_cancelled_in_the_middle_photos_in_work_are_finished_and_nothing_else_is(
    api: Any, sample_photo: bytes
) -> None:
    album = api.new_album(*[sample_photo] * 10)
    api.order(album)
    wait_until(lambda: "STARTED" in states(api.get(album)), "the first photos to be begun", 60)
    api.delete(f"{album}/orders").raise_for_status()

    def ended() -> Any:
        found = api.get(album)
        return not {"STARTED", "PENDING"} & set(states(found)) and found

    found = wait_until(ended, "the photos in work to be finished", 60)
    expect_cancelled(found)
    done = states(found)[:10].count("SUCCESS")
    assert 1 <= done <= 4, "two at a time; two more may have begun meanwhile"
    assert states(found)[:10].count("REVOKED") == 10 - done
    assert (found["progress"]["done"], found["sheet"]) == (done, None)
    prints = [
        (api.lab.folder / "lab/prints" / photo["id"] / "large.jpg").exists()
        for photo in found["photos"]
    ]
    assert sum(prints) == done, "no photo was developed for nothing"


def test_an_album_that_was_ordered_twice_is_cancelled_as_often(
    api: Any, small_photo: bytes
) -> None:
    album = api.new_album(small_photo, small_photo)
    with paused(api.lab, "worker"):
        api.order(album)
        api.order(album)
        api.delete(f"{album}/orders").raise_for_status()

    api.order(another := api.new_album(small_photo))  # comes after them in the queue
    wait_until(lambda: api.get(another)["state"] == "SUCCESS", "the album after it", 60)
    expect_cancelled(api.get(album))


@pytest.mark.slow
def test_cancelled_after_the_last_photo_has_begun_the_body_doesnt_run(
    api: Any, sample_photo: bytes
) -> None:
    """No part of the header is revoked: so Celery sends the body, and that is revoked."""
    album = api.new_album(sample_photo, sample_photo)
    api.order(album)
    wait_until(lambda: states(api.get(album))[:2] == ["STARTED"] * 2, "both photos to be begun", 60)
    api.delete(f"{album}/orders").raise_for_status()
    wait_until(lambda: states(api.get(album))[:2] == ["SUCCESS"] * 2, "both to be developed", 60)

    laying_out = api.get(album)["orders"][2]["id"]
    log = f"Discarding revoked task: tasks.make_contact_sheet[{laying_out}]"
    wait_until(
        lambda: log in str(api.lab.log.lines("worker")), "the worker to discard the body", 60
    )
    found = api.get(album)
    expect_cancelled(found)
    assert states(found) == ["SUCCESS", "SUCCESS", "REVOKED", "REVOKED"]
    assert found["sheet"] is None


def test_all_workers_are_told_in_one_message(
    api: Any, small_photo: bytes, paused_worker: Any, count_calls: Callable[[str, str], int]
) -> None:
    album = api.new_album(*[small_photo] * 12)
    with paused_worker():
        api.order(album)
        before = count_calls(api.lab.broker_url, "publish")
        answer = api.delete(f"{album}/orders")
        after = count_calls(api.lab.broker_url, "publish")

    assert states(answer.json()) == ["REVOKED"] * 14
    assert after - before == 1


def test_an_album_that_was_ordered_twice_is_cancelled_with_both_workflows(
    api: Any, small_photo: bytes, paused_worker: Any
) -> None:
    album = api.new_album(*[small_photo] * 3)
    with paused_worker():
        api.order(album)
        api.order(album)
        api.delete(f"{album}/orders").raise_for_status()
    other = api.published(small_photo)  # it comes last: nothing is left before it

    expect_cancelled(api.get(album))
    sql = 'select count(*) from "order" where album_id = ? and cancelled_at is not null'
    assert api.query(sql, album.removeprefix("/albums/")) == [(10,)]
    assert other["state"] == "SUCCESS"


def test_an_album_that_is_ordered_again_after_that_is_done(api: Any, small_photo: bytes) -> None:
    """The end of the chord before calls its errback: that must not spoil the new order."""
    album = api.new_album(*[small_photo] * 6)
    for _ in range(3):
        api.order(album)
        api.delete(f"{album}/orders").raise_for_status()
    api.order(album)
    found = api.finished(album)

    assert (found["state"], found["error"]) == ("SUCCESS", None)
    assert api.query("select failed_at from album where id = ?", found["id"]) == [(None,)]


def test_what_isnt_on_order_cant_be_cancelled(api: Any, small_photo: bytes) -> None:
    new, done = api.new_album(small_photo), f"/albums/{api.published(small_photo)['id']}"
    for album in (new, done):
        before = api.get(album)
        expect_problem(api.delete(f"{album}/orders"), 409)
        assert api.get(album) == before


def test_twice_is_a_conflict_that_changes_nothing(
    api: Any, small_photo: bytes, paused_worker: Any
) -> None:
    album = api.new_album(small_photo)
    with paused_worker():
        api.order(album)
        first = api.delete(f"{album}/orders")
        expect_problem(api.delete(f"{album}/orders"), 409)
    expect_cancelled(first.json())
    expect_cancelled(api.get(album))


# --- one task ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_header_without_one_of_its_photos_is_one_that_has_failed(
    any_api: Any, small_photo: bytes
) -> None:
    """To Celery, revoked is failed: the body never runs, and the errback is called."""
    api = any_api
    album = api.new_album(*[small_photo] * 3)
    api.end_worker()
    api.order(album)
    part = api.get(album)["orders"][1]["id"]
    assert api.delete(f"/tasks/{part}").json()["error"] == CANCELLED
    api.lab.start("worker")

    sql = "select error from album where id = ?"
    album_id = album.removeprefix("/albums/")
    error = wait_until(lambda: api.query(sql, album_id)[0][0], "the errback to say why", 40)
    assert "ChordError" in error
    found = api.get(album)
    assert states(found)[:3] == ["SUCCESS", "REVOKED", "SUCCESS"]
    assert (found["state"], found["sheet"]) == ("REVOKED", None)


def test_what_is_done_cant_be_cancelled(api: Any, small_photo: bytes) -> None:
    album = api.published(small_photo)
    for part in album["orders"]:
        before = api.get(f"/tasks/{part['id']}")
        expect_problem(api.delete(f"/tasks/{part['id']}"), 409)
        assert api.get(f"/tasks/{part['id']}") == before


# --- without a broker ----------------------------------------------------------------------------


@pytest.mark.slow
def test_without_a_broker_the_rows_must_do(labs: Any, make_api: Any, small_photo: bytes) -> None:
    lab: ChapterRun = labs("rabbitmq", "redis")
    api = make_api(lab)
    album = api.new_album(*[small_photo] * 3)
    api.end_worker()
    api.order(album)
    lab.stop("broker")
    began = time.monotonic()
    answer = api.delete(f"{album}/orders")
    seconds = time.monotonic() - began
    lab.start_all()

    assert answer.status_code == 202
    assert seconds < 2
    expect_cancelled(answer.json())
    wait_until(lambda: "FAILURE" in states(api.get(album)), "the worker to end the chord", 40)
    expect_cancelled(api.get(album))
