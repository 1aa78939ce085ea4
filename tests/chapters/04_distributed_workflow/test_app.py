"""What chapter 4 answers beside the contract: albums are created, filled, listed."""

import io
import re
import zipfile
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.support.http_contract import NEVER_ISSUED, expect_problem

STATUS_KEYS = ["id", "task", "state", "result", "error", "print", "progress"]
ALBUM_KEYS = [
    "id",
    "name",
    "state",
    "result",
    "error",
    "progress",
    "photos",
    "orders",
    "packing",
    "sheet",
    "zip",
]


def expect_refused(answer: httpx.Response, status: int, says: str) -> None:
    expect_problem(answer, status)
    assert says in answer.json()["detail"]


# --- an album's life -----------------------------------------------------------------------------


def test_a_new_album_is_empty_and_not_on_order(api: Any) -> None:
    answer = api.post("/albums", name="  Été, 2026 ☀ ")

    album = answer.headers["Location"]
    assert answer.status_code == 201
    assert UUID(answer.json()["id"]).version == 4
    assert answer.json() == {"id": album.removeprefix("/albums/"), "status": album}
    new = dict.fromkeys(ALBUM_KEYS) | {
        "id": answer.json()["id"],
        "name": "Été, 2026 ☀",
        "photos": [],
        "orders": [],
    }
    assert api.get(album) == new
    assert list(api.get(album)) == ALBUM_KEYS
    assert api.get("/albums")["albums"][0] == new


def test_a_photo_is_in_its_album_and_in_no_other(api: Any, small_photo: bytes) -> None:
    album, other = api.new_album(), api.new_album()
    answer = api.add_photo(album, small_photo, "one.jpg")

    assert (answer.status_code, answer.headers["Location"]) == (201, album)
    assert api.get(album)["photos"] == [{"id": answer.json()["id"], "name": "one.jpg"}]
    assert api.get(other)["photos"] == []


def test_an_ordered_album_waits_with_all_its_tasks(
    api: Any, small_photo: bytes, paused_worker: Any
) -> None:
    album = api.new_album(small_photo)
    with paused_worker():
        answer = api.post(f"{album}/orders")
        found = api.get(album)

    assert answer.status_code == 202
    assert (found["state"], found["result"], found["error"]) == ("PENDING", None, None)
    assert found["progress"] == {"done": 0, "total": 3}
    photo = found["photos"][0]["id"]
    tasks = [(part["task"], part["photo"], part["state"]) for part in found["orders"]]
    assert tasks == [
        ("tasks.develop_or_report", photo, "PENDING"),
        ("tasks.make_contact_sheet", None, "PENDING"),
        ("tasks.publish_album", None, "PENDING"),
    ]
    assert answer.json()["id"] == found["orders"][-1]["id"], "the order of the last task"


def test_a_published_album_has_its_sheet_and_each_part_its_status(
    api: Any, small_photo: bytes
) -> None:
    album = api.published(small_photo)

    assert list(album) == ALBUM_KEYS
    assert list(album["result"]) == ["published_at"]
    assert album["sheet"] == f"/albums/{album['id']}/sheet.jpg"
    assert (album["packing"], album["zip"]) == (None, None)
    for part in album["orders"]:
        assert list(part) == ["photo", *STATUS_KEYS]
        assert {"photo": part["photo"], **api.get(f"/tasks/{part['id']}")} == part


def test_a_packed_album_is_a_zip_file(api: Any, small_photo: bytes) -> None:
    album = api.published(small_photo, small_photo)
    packing = api.until(api.pack(f"/albums/{album['id']}"), "SUCCESS")
    found = api.get(f"/albums/{album['id']}")
    file = api.client.get(api.url + found["zip"])

    assert list(packing) == STATUS_KEYS
    assert found["packing"] == packing
    assert file.headers["Content-Type"] == "application/zip"
    assert len(file.content) == packing["result"]["bytes"]
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        assert archive.namelist() == ["01.png", "02.png"]


def test_the_latest_six_albums_are_listed(api: Any) -> None:
    names = [f"number {number}" for number in range(7)]
    for name in names:
        api.new_album(name=name)
    assert [album["name"] for album in api.get("/albums")["albums"]] == names[:0:-1]


# --- what isn't as it should be ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="none"),
        pytest.param("  ", id="blank"),
        pytest.param("x" * 61, id="long"),
        pytest.param("two\nlines", id="lines"),
        pytest.param("a\0b", id="nul"),
    ],
)
def test_an_album_wants_a_name(api: Any, name: str) -> None:
    before = api.kept()
    expect_refused(api.post("/albums", name=name), 422, "the album's 'name'")
    assert api.kept() == before


def test_an_album_wants_a_form(api: Any) -> None:
    address, before = f"{api.url}/albums", api.kept()
    expect_problem(api.client.post(address, json={"name": "a"}), 422)
    expect_problem(api.client.post(address, content=b"{"), 422)
    expect_problem(api.client.put(address), 405)
    assert api.kept() == before


def test_an_album_holds_sixty_photos(api: Any, small_photo: bytes) -> None:
    album = api.new_album(*[small_photo] * 60)
    before = api.kept()
    expect_refused(api.add_photo(album, small_photo), 422, "it holds 60 photos")
    assert api.kept() == before


def test_an_empty_album_cant_be_ordered_nor_an_undeveloped_one_packed(
    api: Any, small_photo: bytes
) -> None:
    empty, filled = api.new_album(), api.new_album(small_photo)
    before = api.kept()
    expect_refused(api.post(f"{empty}/orders"), 422, "add photos first")
    for album in (empty, filled):
        expect_refused(api.post(f"{album}/zip"), 409, "order the album first")
    assert api.kept() == before


@pytest.mark.parametrize("unknown", [NEVER_ISSUED, "nonsense", "..%2F..%2Flab.sqlite"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/albums/{}"),
        ("POST", "/albums/{}/photos"),
        ("POST", "/albums/{}/orders"),
        ("DELETE", "/albums/{}/orders"),
        ("POST", "/albums/{}/zip"),
        ("GET", "/albums/{}/sheet.jpg"),
        ("GET", "/albums/{}/album.zip"),
        ("DELETE", "/tasks/{}"),
    ],
)
def test_an_id_that_was_never_issued_is_not_found(
    api: Any, method: str, path: str, unknown: str
) -> None:
    before = api.kept()
    expect_problem(api.client.request(method, api.url + path.format(unknown)), 404)
    assert api.kept() == before


def test_only_the_sheet_and_the_zip_are_handed_out(api: Any, small_photo: bytes) -> None:
    album = api.published(small_photo)
    for name in ("other.jpg", "..%2F..%2Flab.sqlite"):
        expect_problem(api.client.get(f"{api.url}/albums/{album['id']}/{name}"), 404)


@pytest.mark.parametrize("name", ["../../../evil.jpg", "<script>evil()</script>", "évil ☃" * 40])
def test_a_visitors_file_name_is_shown_and_never_used(
    api: Any, small_photo: bytes, name: str
) -> None:
    album = api.new_album()
    photo_id = api.add_photo(album, small_photo, name).json()["id"]
    assert api.get(album)["photos"] == [{"id": photo_id, "name": name}]
    assert re.fullmatch(r"[0-9a-f-]{36}", photo_id)
    assert (api.lab.folder / "lab/photos" / photo_id).read_bytes() == small_photo
