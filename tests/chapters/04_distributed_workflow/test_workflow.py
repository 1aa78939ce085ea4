"""An album as a workflow: photos at the same time, then a sheet, then its publication."""

import base64
import io
import json
import resource
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
from celery import Celery, chain, chord, group
from celery.result import AsyncResult
from PIL import Image

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

Run = Callable[[str], str]
INK = (58, 52, 44)  # of an empty field's frame
COLUMN, ROW, MARGIN = 320, 290, 20  # of a contact sheet, in pixels


def sheet_of(api: Any, album: Any) -> Image.Image:
    """Return an album's contact sheet."""
    answer = api.client.get(api.url + album["sheet"])
    assert answer.headers["Content-Type"] == "image/jpeg"
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def empty_fields(sheet: Image.Image, photos: int) -> list[int]:
    """Return which fields of a sheet are only a frame, in ink, around paper."""
    found = []
    for number in range(photos):
        left, top = MARGIN + number % 4 * COLUMN, MARGIN + number // 4 * ROW
        middle: Any = sheet.getpixel((left + 150, top + 112))
        edge: Any = sheet.getpixel((left, top + 112))
        in_ink = all(abs(one - other) < 40 for one, other in zip(edge, INK, strict=True))
        if min(middle) > 230 and in_ink:
            found.append(number)
    return found


def states(album: Any) -> list[str]:
    return [part["state"] for part in album["orders"]]


def call(celery: Celery, task: str, *args: object) -> Any:
    """Return a call of one of the chapter's tasks, by its name."""
    return celery.signature(f"tasks.{task}", args=args)


# --- the lab's own workflow ----------------------------------------------------------------------


def test_an_album_is_developed_laid_out_and_published(any_api: Any, small_photo: bytes) -> None:
    album = any_api.published(*[small_photo] * 5, name="Good")

    assert (album["state"], album["error"]) == ("SUCCESS", None)
    assert [photo["name"] for photo in album["photos"]] == [f"{n}.jpg" for n in range(1, 6)]
    *developing, laying_out, publishing = album["orders"]
    for part, photo in zip(developing, album["photos"], strict=True):
        assert part["photo"] == part["result"]["photo"] == photo["id"]
        assert part["result"]["seconds"] > 0
    assert laying_out["result"] == album["id"], "which the next task gets"
    assert publishing["result"] == album["result"]

    sheet = sheet_of(any_api, album)
    assert sheet.size == (4 * COLUMN + MARGIN, 2 * ROW + MARGIN), "two rows of four"
    assert empty_fields(sheet, 5) == []


def test_one_broken_photo_doesnt_spoil_the_album(api: Any, small_photo: bytes) -> None:
    album = api.published(small_photo, small_photo[:-300], small_photo)

    assert states(album) == ["SUCCESS"] * 5, "a photo that can't be read is a result, too"
    broken = album["orders"][1]
    reason = "This photo can't be read: the file is damaged."
    assert broken["result"] == {"photo": album["photos"][1]["id"], "error": reason}
    assert empty_fields(sheet_of(api, album), 3) == [1]


def test_an_album_of_broken_photos_is_a_sheet_of_empty_fields(api: Any, small_photo: bytes) -> None:
    album = api.published(*[small_photo[:-300]] * 2)
    assert empty_fields(sheet_of(api, album), 2) == [0, 1]
    assert api.post(f"/albums/{album['id']}/zip").status_code == 409, "nothing to pack"


def test_an_album_that_is_ordered_again_has_new_orders(api: Any, small_photo: bytes) -> None:
    """With a photo more, and a broken one, of which nothing is left to read."""
    first = api.published(small_photo, small_photo[:-300])
    path = f"/albums/{first['id']}"
    api.add_photo(path, small_photo, "late.jpg")
    api.order(path)
    second = api.finished(path)

    assert not {part["id"] for part in first["orders"]} & {part["id"] for part in second["orders"]}
    assert second["result"]["published_at"] > first["result"]["published_at"]
    assert second["progress"] == {"done": 5, "total": 5}
    assert "error" in second["orders"][1]["result"]
    assert empty_fields(sheet_of(api, second), 3) == [1]


def test_a_photo_that_comes_late_is_for_the_next_time(
    api: Any, small_photo: bytes, paused_worker: Any
) -> None:
    album = api.new_album(*[small_photo] * 4)
    with paused_worker():
        api.order(album)
        api.add_photo(album, small_photo, "late.jpg")
    found = api.finished(album)

    assert (len(found["photos"]), found["progress"]["total"]) == (5, 6)
    assert sheet_of(api, found).size == (4 * COLUMN + MARGIN, ROW + MARGIN), "one row of four"


@pytest.mark.slow
def test_progress_rises_to_the_total(api: Any, small_photo: bytes) -> None:
    album = api.new_album(*[small_photo] * 12)
    api.order(album)
    seen: list[Any] = []

    def look() -> bool:
        seen.append(api.get(album))
        return bool(seen[-1]["state"] == "SUCCESS")

    wait_until(look, "the album to be published", 30)
    counts = [found["progress"]["done"] for found in seen]
    assert counts == sorted(counts)
    assert len(set(counts)) > 3, counts
    assert counts[-1] == 14
    assert {found["progress"]["total"] for found in seen} == {14}
    assert {found["state"] for found in seen} <= {"PENDING", "STARTED", "SUCCESS"}
    assert {str(found["result"]) for found in seen[:-1]} <= {"None"}


@pytest.mark.slow
def test_an_album_ordered_several_times_at_once_is_finished(api: Any, small_photo: bytes) -> None:
    album = api.new_album(*[small_photo] * 4)
    for _ in range(4):
        api.order(album)
    queue = redis.Redis.from_url(api.lab.broker_url)
    wait_until(lambda: queue.llen("photos") == 0, "all orders to be taken")
    assert api.finished(album)["state"] == "SUCCESS"


# --- the same, as simple as it can be ------------------------------------------------------------


@pytest.mark.slow
def test_the_simple_chord_publishes_an_album(api: Any, small_photo: bytes, run: Run) -> None:
    album = api.new_album(small_photo, small_photo)
    printed = run(f"python simple_chord.py {album.removeprefix('/albums/')}")
    found = api.get(album)

    assert printed.startswith("{'published_at': ")
    assert (found["state"], found["orders"], found["progress"]) == ("SUCCESS", [], None)
    assert empty_fields(sheet_of(api, found), 2) == []


def test_a_chord_whose_header_fails_calls_its_errback_and_never_its_body(
    api: Any, small_photo: bytes, run: Run
) -> None:
    album = api.new_album(small_photo, small_photo[:-300], small_photo)
    album_id = album.removeprefix("/albums/")
    printed = run(f"sed s/develop_or_report/develop/ simple_chord.py | python - {album_id}")
    found = api.get(album)

    assert printed.startswith("ChordError('Dependency ")
    assert "raised UnidentifiedImageError(" in printed
    assert (found["state"], found["sheet"]) == ("FAILURE", None)
    assert found["error"]["type"] == "ChordError"
    prints = [
        (api.lab.folder / "lab/prints" / photo["id"] / "large.jpg").exists()
        for photo in found["photos"]
    ]
    assert prints == [True, False, True], "the others are developed"

    api.order(album)
    assert api.until(album, "STARTED", "SUCCESS")["error"] is None, "a new order forgets it"
    assert api.until(album, "SUCCESS")["result"]


# --- the pieces ----------------------------------------------------------------------------------


def test_a_group_collects_and_a_chain_hands_on(
    api: Any, small_photo: bytes, celery: Celery
) -> None:
    album = api.get(api.new_album(small_photo, small_photo))
    ids = [photo["id"] for photo in album["photos"]]

    together = group(call(celery, "develop", photo_id) for photo_id in ids).delay()
    results = together.get(timeout=20)
    assert [result["photo"] for result in results] == ids, "in the order of the calls"

    laying_out = call(celery, "make_contact_sheet", results, album["id"])
    in_turn: Any = chain(laying_out, call(celery, "publish_album")).delay()
    assert list(in_turn.get(timeout=20)) == ["published_at"]
    assert in_turn.parent.get(timeout=20) == album["id"], "which the second got"


def test_a_chain_ends_where_a_part_fails_and_calls_the_errback(
    api: Any, small_photo: bytes, celery: Celery
) -> None:
    album = api.get(api.new_album(small_photo))
    failing = call(celery, "make_contact_sheet", [{"photo": "unknown"}], album["id"])
    errback = call(celery, "note_failure", album["id"])
    result = chain(failing, call(celery, "publish_album")).on_error(errback)
    sent: Any = result.delay()

    found = api.until(f"/albums/{album['id']}", "FAILURE")
    assert found["error"]["type"] == "KeyError"
    wait_until(lambda: sent.parent.state == "FAILURE", "the state of the first part")
    assert sent.state in ("PENDING", "FAILURE"), "the second part never runs"


def test_a_group_needs_no_body_and_says_for_each_part_how_it_ended(
    api: Any, small_photo: bytes, celery: Celery
) -> None:
    album = api.get(api.new_album(small_photo, small_photo[:-300]))
    calls = [call(celery, "develop", photo["id"]) for photo in album["photos"]]
    together: Any = group(calls).delay()
    wait_until(lambda: together.ready(), "both parts to end")
    assert [part.state for part in together.results] == ["SUCCESS", "FAILURE"]


def test_a_chord_of_one_photo_gets_a_list_too(api: Any, small_photo: bytes) -> None:
    assert empty_fields(sheet_of(api, api.published(small_photo)), 1) == []


def test_a_workflow_travels_with_its_first_messages(
    api: Any, small_photo: bytes, paused_worker: Any, celery: Celery
) -> None:
    """One message a photo, each with the whole of what follows; so a sheet isn't in the queue."""
    header = [call(celery, "develop_or_report", number) for number in range(2)]
    body = chain(call(celery, "make_contact_sheet", "id"), call(celery, "publish_album"))
    broker = redis.Redis.from_url(api.lab.broker_url, decode_responses=True)
    try:
        chord(header, body).apply_async(queue="elsewhere")
        messages = [json.loads(one) for one in broker.lrange("elsewhere", 0, -1)]
    finally:
        broker.delete("elsewhere")

    assert [one["headers"]["task"] for one in messages] == ["tasks.develop_or_report"] * 2
    for one in messages:
        embedded = json.dumps(json.loads(base64.b64decode(one["body"]))[2]["chord"])
        assert "tasks.make_contact_sheet" in embedded
        assert "tasks.publish_album" in embedded


@pytest.mark.slow
def test_a_database_for_results_has_a_task_that_asks_again_and_again(
    labs: Any, small_photo: bytes, make_api: Any
) -> None:
    in_database = make_api(labs("redis", "database"))
    in_database.published(small_photo, small_photo)
    unlocks = "celery.chord_unlock"
    wait_until(lambda: unlocks in str(in_database.lab.log.lines("worker")), unlocks)

    in_redis = make_api(labs("redis", "redis"))
    in_redis.published(small_photo, small_photo)
    assert unlocks not in str(in_redis.lab.log.lines("worker")), "Redis counts instead"


def test_rpc_has_no_chords() -> None:
    backend = Celery(backend="rpc://", broker="memory://").backend
    with pytest.raises(NotImplementedError, match="does not support chords"):
        backend.ensure_chords_allowed()


# --- the sheet as a file -------------------------------------------------------------------------


@pytest.mark.slow
def test_a_sheet_has_rows_and_columns_enough(package: ModuleType, tmp_path: Path) -> None:
    from support import contact_sheet

    for photos, columns, rows in ((1, 1, 1), (3, 3, 1), (4, 4, 1), (5, 4, 2), (60, 4, 15)):
        contact_sheet.draw([("x" * 100, None)] * photos, tmp_path / "sheet.jpg")
        with Image.open(tmp_path / "sheet.jpg") as sheet:
            assert sheet.size == (columns * COLUMN + MARGIN, rows * ROW + MARGIN)
            assert empty_fields(sheet.convert("RGB"), photos) == list(range(photos))
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.jpg"]


def test_a_sheet_that_cant_be_written_whole_leaves_the_one_before(
    package: ModuleType, tmp_path: Path
) -> None:
    from support import contact_sheet

    contact_sheet.draw([("before", None)], tmp_path / "sheet.jpg")
    before = (tmp_path / "sheet.jpg").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            contact_sheet.draw([("after", None)] * 9, tmp_path / "sheet.jpg")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "sheet.jpg").read_bytes() == before


def test_a_task_must_not_wait_for_another(celery: Celery) -> None:
    """What the lesson quotes: Celery refuses, in a worker's process."""
    from celery.result import denied_join_result

    with denied_join_result(), pytest.raises(RuntimeError, match=r"Never call result\.get\(\)"):
        AsyncResult("any", app=celery).get()


@pytest.mark.slow
def test_the_lesson_says_how_many_messages_a_chord_is(
    lab: ChapterRun, api: Any, small_photo: bytes
) -> None:
    """One for each photo; the sheet's and the publication's are sent later, by workers."""
    api.end_worker()
    api.order(api.new_album(*[small_photo] * 3))
    assert redis.Redis.from_url(lab.broker_url).llen("photos") == 3
