"""An album as a workflow: photos in parallel, then a sheet, then a letter; and what may fail."""

import base64
import io
import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery, chain, chord, group
from celery.exceptions import ChordError
from flask import Flask
from PIL import Image, UnidentifiedImageError

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

INK = (58, 52, 44)  # of an empty field's frame


def sheet_of(api: Any, album: Any) -> Image.Image:
    """Return an album's contact sheet."""
    answer = api.client.get(api.url + album["sheet"])
    assert answer.headers["Content-Type"] == "image/jpeg"
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def empty_fields(page: Image.Image, photos: int) -> list[int]:
    """Return which fields of a sheet are only a frame, in ink, around paper."""
    found = []
    for number in range(photos):
        left, top = 20 + number % 4 * 320, 20 + number // 4 * 290
        middle, edge = (page.getpixel((left + x, top + 112)) for x in (150, 0))
        assert isinstance(middle, tuple)
        assert isinstance(edge, tuple)
        if min(middle) > 230 and max(abs(a - b) for a, b in zip(edge, INK, strict=True)) < 40:
            found.append(number)
    return found


def states(album: Any) -> list[str]:
    return [order["state"] for order in album["orders"]]


# --- good albums, and others ---------------------------------------------------------------------


def test_an_album_is_developed_laid_out_and_mailed(any_api: Any, small_photo: bytes) -> None:
    api = any_api
    album = api.ordered(*[small_photo] * 5, name="Good", email="good@example.com", seconds=30)
    assert (album["state"], album["error"], album["tries"]) == ("SUCCESS", None, 1)
    assert [photo["name"] for photo in album["photos"]] == [f"{n}.jpg" for n in range(1, 6)]
    *developing, laying_out, delivering = album["orders"]
    assert [order["photo"] for order in developing] == [photo["id"] for photo in album["photos"]]
    for order in developing:
        assert (order["task"], order["state"]) == ("tasks.try_to_develop", "SUCCESS")
        assert order["result"]["photo"] == order["photo"]
        assert order["result"]["seconds"] > 0
        assert api.client.get(api.url + order["print"]).status_code == 200
    assert (laying_out["task"], delivering["task"]) == ("tasks.sheet", "tasks.deliver")
    assert laying_out["result"] == laying_out["id"] == album["result"]["letter"]

    page = sheet_of(api, album)
    assert page.size == (4 * 320 + 20, 2 * 290 + 20), "two rows of four"
    assert empty_fields(page, 5) == []
    letters = api.letters("good@example.com")
    assert [(letter["subject"], letter["copies"]) for letter in letters] == [("Album: Good", 1)]
    assert letters[0]["text"] == "Developed: 5. Could not be read: 0.\n"
    sent = api.client.get(f"{api.url}/mail/{letters[0]['id']}/sheet.jpg").content
    assert Image.open(io.BytesIO(sent)).size == page.size


def test_one_broken_photo_doesnt_spoil_the_album(api: Any, small_photo: bytes) -> None:
    photos = [small_photo, small_photo[:-300], small_photo]
    album = api.ordered(*photos, email="broken@example.com")
    assert (album["state"], album["error"]) == ("SUCCESS", None)
    assert states(album) == ["SUCCESS"] * 5, "a photo that can't be read is a result, too"
    broken = album["orders"][1]
    assert broken["result"] == {
        "photo": album["photos"][1]["id"],
        "error": broken["result"]["error"],
    }
    assert "truncated" in broken["result"]["error"]
    assert broken["print"] is None
    assert empty_fields(sheet_of(api, album), 3) == [1]
    (letter,) = api.letters("broken@example.com")
    assert letter["text"] == "Developed: 2. Could not be read: 1.\n"


def test_an_album_of_broken_photos_is_a_sheet_of_empty_fields(api: Any, small_photo: bytes) -> None:
    album = api.ordered(*[small_photo[:-300]] * 2, email="all@example.com")
    assert empty_fields(sheet_of(api, album), 2) == [0, 1]
    (letter,) = api.letters("all@example.com")
    assert letter["text"] == "Developed: 0. Could not be read: 2.\n"
    assert api.post(f"/albums/{album['id']}/zip").status_code == 409, "nothing to pack"


def test_an_album_that_is_ordered_again_is_mailed_again(api: Any, small_photo: bytes) -> None:
    """With a photo more, and a broken one, of which nothing is left to read."""
    first = api.ordered(small_photo, small_photo[:-300], email="again@example.com")
    path = f"/albums/{first['id']}"
    api.accepted(api.hand_in(small_photo, "late.jpg", f"{path}/photos"), 201)
    api.accepted(api.post(f"{path}/orders"))

    def second_letter() -> Any:
        found = api.get(path)
        return found["state"] == "SUCCESS" and found["result"] != first["result"] and found

    wait_until(second_letter, "the second letter")
    second = api.finished(path)
    assert not {o["id"] for o in first["orders"]} & {o["id"] for o in second["orders"]}
    assert second["progress"] == {"done": 5, "total": 5}
    assert "error" in second["orders"][1]["result"]
    texts = [letter["text"] for letter in api.letters("again@example.com")]
    assert texts == [
        "Developed: 2. Could not be read: 1.\n",
        "Developed: 1. Could not be read: 1.\n",
    ]
    assert empty_fields(sheet_of(api, second), 3) == [1]


def test_a_photo_that_comes_late_is_not_on_the_sheet(api: Any, small_photo: bytes) -> None:
    path = api.album(*[small_photo] * 4)
    processes = api.lab.services["worker"].process_tree()
    for process in processes:
        process.suspend()
    api.accepted(api.post(f"{path}/orders"))
    api.accepted(api.hand_in(small_photo, "late.jpg", f"{path}/photos"), 201)
    for process in processes:
        process.resume()
    album = api.finished(path)
    assert (len(album["photos"]), album["progress"]["total"]) == (5, 6)
    assert sheet_of(api, album).size == (4 * 320 + 20, 290 + 20), "one row of four"


def test_progress_rises_to_the_total(api: Any, small_photo: bytes) -> None:
    path = api.album(*[small_photo] * 12)
    api.accepted(api.post(f"{path}/orders"))
    seen: list[Any] = []

    def look() -> bool:
        seen.append(api.get(path))
        return bool(seen[-1]["progress"]["done"] == 14)

    wait_until(look, "all to be done")
    counts = [album["progress"]["done"] for album in seen]
    assert counts == sorted(counts)
    assert len(set(counts)) > 3, counts
    assert {album["progress"]["total"] for album in seen} == {14}
    assert [album["state"] for album in seen if album["progress"]["done"] == 14] == ["SUCCESS"]
    assert {album["state"] for album in seen} <= {"PENDING", "STARTED", "SUCCESS"}
    for album in seen:
        if album["state"] != "SUCCESS":
            assert album["result"] is None


# --- the parts, by hand --------------------------------------------------------------------------


@pytest.fixture
def tasks(app: Flask) -> Iterator[Any]:
    """Return the chapter's tasks, in the context of the app in this process."""
    import lab.tasks
    import lab.workflow

    with app.app_context():
        yield lab


def test_a_chain_hands_results_on_and_a_group_collects_them(tasks: Any, celery: Celery) -> None:
    add = tasks.tasks.my_task
    assert chain(add.s(1, 2), add.s(3), add.s(4)).delay().get(timeout=10) == 10
    assert group(add.s(n, n) for n in range(4)).delay().get(timeout=10) == [0, 2, 4, 6]
    one_that_fails: Any = chain(add.s(1, 2), add.s("three"), add.s(4)).delay()
    with pytest.raises(TypeError, match="unsupported operand"):
        one_that_fails.get(timeout=10)
    assert one_that_fails.parent.state == "FAILURE"
    assert one_that_fails.parent.parent.get(timeout=10) == 3


def test_in_a_plain_chord_one_broken_photo_spoils_the_album(
    api: Any, small_photo: bytes, tasks: Any
) -> None:
    """The sheet never runs, and the errback is told why."""
    path = api.album(small_photo, small_photo[:-300], small_photo)
    album = api.get(path)
    develop, sheet = tasks.tasks.develop, tasks.workflow.sheet
    body = sheet.s(album["id"])
    body.on_error(tasks.workflow.tell.s(album["id"]))
    header = [develop.s(photo["id"]) for photo in album["photos"]]
    result = chord(header, body).apply_async()
    found = api.until(path, "FAILURE")
    told = result.get(timeout=15, propagate=False)  # stored a moment after the errback ran
    assert (result.state, type(told)) == ("FAILURE", ChordError)
    assert found["error"]["type"] == "ChordError"
    assert "raised UnidentifiedImageError('image file is truncated" in found["error"]["message"]
    assert found["sheet"] is None
    developed = api.query("select developed from photo where album_id = ?", album["id"])
    assert [bool(row[0]) for row in developed].count(True) == 2, "the others are developed"
    started = [line for line in api.lab.log.lines("worker") if f"sheet[{result.id}]" in line]
    assert started == [], "no worker has ever seen it"

    api.accepted(api.post(f"{path}/orders"))
    assert api.until(path, "STARTED", "SUCCESS")["error"] is None, "a new order forgets it"
    assert api.until(path, "SUCCESS")["result"]


def test_a_workflow_travels_with_its_first_messages(
    lab: ChapterRun, api: Any, small_photo: bytes, tasks: Any
) -> None:
    """One message a photo, each with the whole of what follows; so a sheet isn't in the queue."""
    path = api.album(small_photo, small_photo)
    album_id = path.removeprefix("/albums/")
    develop, sheet, deliver = (
        tasks.workflow.try_to_develop,
        tasks.workflow.sheet,
        tasks.workflow.deliver,
    )
    broker = redis.Redis.from_url(lab.broker_url, decode_responses=True)
    try:
        header = [develop.s(photo["id"]) for photo in api.get(path)["photos"]]
        chord(header, chain(sheet.s(album_id), deliver.s())).apply_async(queue="shelf")
        messages = [json.loads(one) for one in broker.lrange("shelf", 0, -1)]
        assert [one["headers"]["task"] for one in messages] == ["tasks.try_to_develop"] * 2
        for one in messages:
            embedded = json.loads(base64.b64decode(one["body"]))[2]
            assert "tasks.sheet" in json.dumps(embedded["chord"])
            assert "tasks.deliver" in json.dumps(embedded["chord"])
    finally:
        broker.delete("shelf")


# --- what waits for a chord without Redis --------------------------------------------------------


@pytest.mark.slow
def test_a_database_for_results_has_a_task_that_asks_again_and_again(
    labs: Any, small_photo: bytes, make_api: Any
) -> None:
    api = make_api(labs("redis", "database"))
    api.ordered(small_photo, small_photo, seconds=30)
    api.says("worker", "Task celery.chord_unlock")
    plain = make_api(labs("redis", "redis"))
    plain.ordered(small_photo, small_photo)
    assert "celery.chord_unlock" not in str(plain.lab.log.lines("worker")), "Redis counts instead"


def test_the_sheet_of_many_photos_has_rows_enough(package: Any, tmp_path: Path) -> None:
    from support import paper

    for photos, rows in ((1, 1), (4, 1), (5, 2), (60, 15)):
        paper.contact_sheet([("x" * 100, None)] * photos, tmp_path / "sheet.jpg")
        with Image.open(tmp_path / "sheet.jpg") as page:
            assert page.size == (1300, rows * 290 + 20)
            assert empty_fields(page.convert("RGB"), photos) == list(range(photos))
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.jpg"]


# --- trouble that isn't the photo's --------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "limit", "says"),
    [
        pytest.param(resource.RLIMIT_NOFILE, 0, "Too many open files", id="no file to open"),
        pytest.param(resource.RLIMIT_FSIZE, 1000, "File too large", id="no space"),
    ],
)
def test_a_photo_and_its_prints_are_kept_where_the_system_is_in_trouble(
    package: Any, small_photo: bytes, tmp_path: Path, kind: int, limit: int, says: str
) -> None:
    from support import darkroom

    def prints() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (tmp_path / "prints").glob("*.jpg")}

    photo = tmp_path / "photo"
    photo.write_bytes(small_photo)
    darkroom.develop(photo, tmp_path / "prints")
    before = prints()
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit, hard))
    try:
        with pytest.raises(OSError, match=says):
            darkroom.develop(photo, tmp_path / "prints")
    finally:
        resource.setrlimit(kind, (soft, hard))
    assert photo.read_bytes() == small_photo
    assert prints() == before


def test_a_photo_that_cant_be_read_is_thrown_away(
    package: Any, small_photo: bytes, tmp_path: Path
) -> None:
    from support import darkroom

    photo = tmp_path / "photo"
    photo.write_bytes(small_photo[:-100])
    for _ in range(2):  # who tries again finds none, and is told the same
        with pytest.raises(UnidentifiedImageError):
            darkroom.develop(photo, tmp_path / "prints")
        assert not photo.exists()
