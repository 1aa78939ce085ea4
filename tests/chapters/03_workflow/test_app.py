"""Chapter 3 from outside, on real servers: what each request is answered."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import redis

from tests.support.bad_uploads import BAD_UPLOADS
from workbench.chapter_run import ChapterRun

STATUS_KEYS = ["id", "task", "state", "result", "error", "print", "progress"]
CARD_KEYS = [
    *["id", "name", "seconds", "published", "again", "publish", "order", "publication"],
]
ALBUM_KEYS = [
    *["id", "name", "email", "state", "result", "error", "progress"],
    *["photos", "orders", "tries", "packing", "sheet", "zip"],
]
UNKNOWN = "6a8f12a0-0000-4000-8000-000000000000"
UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def is_a_problem(answer: httpx.Response, code: int, says: str = "") -> None:
    assert answer.status_code == code, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert list(answer.json()) == ["title", "status", "detail"]
    assert answer.json()["status"] == code
    assert says in answer.json()["detail"]


@contextmanager
def paused_worker(lab: ChapterRun) -> Iterator[None]:
    """Let the worker do nothing for a while."""
    processes = lab.services["worker"].process_tree()
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def at(seconds: float) -> str:
    """Return a time that many seconds from now, as a client writes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


# --- photos --------------------------------------------------------------------------------------


def test_a_photo_is_accepted_developed_and_handed_out(api: Any, small_photo: bytes) -> None:
    with paused_worker(api.lab):
        answer = api.hand_in(small_photo, "my cat.jpg")
        address = api.accepted(answer)
        order = address.removeprefix("/tasks/")
        assert answer.json() == {"id": order, "status": address}
        assert api.get(address) == dict.fromkeys(STATUS_KEYS) | {
            "id": order,
            "task": "tasks.develop",
            "state": "PENDING",
        }
    status = api.until(address, "SUCCESS")
    assert list(status) == STATUS_KEYS
    assert list(status["result"]) == ["seconds"]
    assert (status["error"], status["progress"]) == (None, None)
    assert api.client.get(api.url + status["print"]).headers["Content-Type"] == "image/jpeg"

    card = api.get("/photos")["photos"][0]
    assert list(card) == CARD_KEYS
    assert (card["name"], card["order"]) == ("my cat.jpg", status)
    assert (card["published"], card["publication"]) == (None, None)
    assert card["publish"] == f"/photos/{card['id']}/publication"
    again = api.until(api.accepted(api.client.post(api.url + card["again"])), "SUCCESS")
    assert again["id"] != order


def test_a_broken_photo_fails_and_cant_be_ordered_again(api: Any, small_photo: bytes) -> None:
    status = api.until(api.accepted(api.hand_in(small_photo[:-300])), "FAILURE")
    assert list(status) == STATUS_KEYS
    assert list(status["error"]) == ["type", "message"]
    assert status["error"]["type"] == "UnidentifiedImageError"
    assert "Traceback" not in str(status)
    card = api.get("/photos")["photos"][0]
    assert card["order"] == status
    assert card["again"] is None
    is_a_problem(api.post(f"/photos/{card['id']}/orders"), 410, "Hand in another")


def test_my_task_adds_two_numbers_or_says_what_it_wants(api: Any) -> None:
    status = api.until(api.accepted(api.post("/my-task", arg1="2", arg2="3.5")), "SUCCESS")
    assert (list(status), status["result"]) == (STATUS_KEYS, 5.5)
    before = api.kept()
    is_a_problem(api.post("/my-task", arg1="two", arg2="3"), 422, "'arg1' is a number")
    is_a_problem(api.client.post(f"{api.url}/my-task", json={}), 422, "'arg1' is a number")
    assert api.kept() == before


# --- publications --------------------------------------------------------------------------------


def test_a_publication_is_an_order_with_a_time(api: Any, small_photo: bytes) -> None:
    photo = api.developed(small_photo)
    due = at(3600)
    address = api.accepted(api.post(photo["publish"], at=due))
    status = api.get(address)
    assert list(status) == STATUS_KEYS
    assert (status["task"], status["state"]) == ("tasks.publish", "PENDING")
    publication = api.get("/photos")["photos"][0]["publication"]
    assert publication == {"due": datetime.fromisoformat(due).timestamp(), "order": status}

    answer = api.delete(address)
    assert answer.status_code == 202
    error = {"type": "TaskRevokedError", "message": "taken back"}
    for said in (answer.json(), api.get(address)):  # by the row, or by the worker already
        assert said == status | {"state": "REVOKED", "error": error}
        assert list(said) == STATUS_KEYS
    assert api.delete(address).status_code == 202, "twice does no harm"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "'at' is a time", id="nothing"),
        pytest.param("soon", "'at' is a time", id="word"),
        pytest.param("1790000000", "'at' is a time", id="number"),
        pytest.param("2026-02-30T12:00:00+01:00", "'at' is a time", id="no-such-day"),
        pytest.param("9" * 5000, "'at' is a time", id="long"),
        pytest.param("2099-12-24T18:00:00", "In which time zone?", id="naive"),
        pytest.param("2099-12-24", "In which time zone?", id="day"),
        pytest.param("2020-12-24T18:00:00Z", "past, or more than a year", id="past"),
        pytest.param("2099-12-24T18:00:00Z", "past, or more than a year", id="far"),
        pytest.param("9999-12-31T23:59:59-23:59", "past, or more than a year", id="last"),
        pytest.param("0001-01-01T00:00:00+23:59", "past, or more than a year", id="first"),
    ],
)
def test_a_time_is_aware_and_within_a_year(
    api: Any, any_photo: dict[str, Any], text: str, says: str
) -> None:
    before = api.kept()
    is_a_problem(api.post(any_photo["publish"], at=text), 422, says)
    assert api.kept() == before


def test_the_bounds_of_a_year_are_met(api: Any, any_photo: dict[str, Any]) -> None:
    year = 365 * 86400
    for seconds in (-1, year + 5):
        is_a_problem(api.post(any_photo["publish"], at=at(seconds)), 422, "past, or more")
    api.delete(api.accepted(api.post(any_photo["publish"], at=at(year - 5))))
    for offset in ("+05:30", "-11:00"):
        hours, minutes = map(int, offset.split(":"))
        there = datetime.now(UTC) + timedelta(hours=hours + 1, minutes=minutes)
        text = f"{there.replace(tzinfo=None).isoformat()}{offset}"  # in an hour
        order = api.accepted(api.post(any_photo["publish"], at=text))
        due = api.query('select due - placed from "order" where id = ?', order[7:])[0][0]
        assert due == pytest.approx(3600, abs=5)
        api.delete(order)


@pytest.fixture(scope="module")
def any_photos() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def any_photo(api: Any, small_photo: bytes, any_photos: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the card of a photo, the same for all tests of this file."""
    if not any_photos:
        any_photos.append(api.developed(small_photo))
    return any_photos[0]


# --- taking back ---------------------------------------------------------------------------------


def test_what_is_done_cant_be_taken_back(api: Any, small_photo: bytes) -> None:
    done = api.accepted(api.hand_in(small_photo))
    failed = api.accepted(api.hand_in(small_photo[:-300]))
    for address, state in ((done, "SUCCESS"), (failed, "FAILURE")):
        status = api.until(address, state)
        is_a_problem(api.delete(address), 409, "is done")
        assert api.get(address) == status
    assert api.query('select taken_back from "order" where id = ?', done[7:]) == [(None,)]


def test_what_has_expired_is_gone_and_cant_be_taken_back(api: Any) -> None:
    address = api.accepted(api.post("/my-task", arg1="1", arg2="1"))
    api.until(address, "SUCCESS")
    forget_result(api, address[7:])
    is_a_problem(api.client.get(api.url + address), 410, "expired")
    is_a_problem(api.delete(address), 409, "is done")


def forget_result(api: Any, order: str) -> None:
    """Do what a day does: the order is two days old, and its result is gone from the backend."""
    api.query('update "order" set placed = placed - 172800 where id = ?', order)
    assert redis.Redis.from_url(api.lab.result_backend).delete(f"celery-task-meta-{order}")


# --- albums --------------------------------------------------------------------------------------


def test_an_album_is_made_filled_ordered_and_packed(api: Any, small_photo: bytes) -> None:
    answer = api.post("/albums", name="  Été, 2026 ☀ ", email="you@example.com")
    path = api.accepted(answer, 201)
    album = path.removeprefix("/albums/")
    assert re.fullmatch(UUID4, album)
    assert answer.json() == {"id": album, "status": path}
    new = dict.fromkeys(ALBUM_KEYS) | {
        "id": album,
        "name": "Été, 2026 ☀",
        "email": "you@example.com",
        "photos": [],
        "orders": [],
        "tries": 0,
    }
    assert api.get(path) == new
    assert list(api.get(path)) == ALBUM_KEYS
    assert api.get("/albums")["albums"][0] == new

    answer = api.hand_in(small_photo, "one.jpg", f"{path}/photos")
    assert api.accepted(answer, 201) == path
    photo = answer.json()["id"]
    assert answer.json() == {"id": photo}
    filled = api.get(path)
    assert filled == new | {"photos": [{"id": photo, "name": "one.jpg"}]}
    assert photo not in str(api.get("/photos")), "it belongs to the album"

    with paused_worker(api.lab):
        answer = api.post(f"{path}/orders")
        assert api.accepted(answer) == path
        assert answer.json() == {"id": album, "status": path}
        ordered = api.get(path)
    waiting = {key: ordered[key] for key in ("state", "result", "error", "progress", "tries")}
    assert waiting == {
        "state": "PENDING",
        "result": None,
        "error": None,
        "progress": {"done": 0, "total": 3},
        "tries": 0,
    }
    tasks = [(order["task"], order["photo"], order["state"]) for order in ordered["orders"]]
    assert tasks == [
        ("tasks.try_to_develop", photo, "PENDING"),
        ("tasks.sheet", None, "PENDING"),
        ("tasks.deliver", None, "PENDING"),
    ]

    done = api.finished(path)
    assert list(done) == ALBUM_KEYS
    assert list(done["result"]) == ["letter"]
    assert (done["error"], done["tries"], done["zip"], done["packing"]) == (None, 1, None, None)
    assert done["sheet"] == f"{path}/sheet.jpg"
    for order in done["orders"]:
        assert list(order) == ["photo", *STATUS_KEYS]
        assert {"photo": order["photo"]} | api.get(f"/tasks/{order['id']}") == order
    print_url = done["orders"][0]["print"]
    assert api.client.get(api.url + print_url).headers["Content-Type"] == "image/jpeg"

    answer = api.post(f"{path}/zip")
    packing = api.until(api.accepted(answer), "SUCCESS")
    assert list(packing) == STATUS_KEYS
    assert list(packing["result"]) == ["done", "total", "bytes"]
    packed = api.get(path)
    assert (packed["packing"], packed["zip"]) == (packing, f"{path}/album.zip")
    file = api.client.get(api.url + packed["zip"])
    assert file.headers["Content-Type"] == "application/zip"
    assert "attachment" in file.headers["Content-Disposition"]
    assert len(file.content) == packing["result"]["bytes"]


def test_the_latest_six_albums_are_listed(api: Any) -> None:
    names = [f"number {number}" for number in range(7)]
    for name in names:
        api.album(name=name)
    assert [album["name"] for album in api.get("/albums")["albums"]] == names[:0:-1]


@pytest.mark.parametrize(
    ("name", "email", "says"),
    [
        pytest.param("", "you@example.com", "'name' is the album's name", id="no-name"),
        pytest.param("  ", "you@example.com", "'name' is the album's name", id="blank"),
        pytest.param("x" * 61, "you@example.com", "60 letters at most", id="long"),
        pytest.param("two\nlines", "you@example.com", "'name' is", id="lines"),
        pytest.param("a\0b", "you@example.com", "'name' is", id="nul"),
        pytest.param("a", "", "'email' is an address", id="no-email"),
        pytest.param("a", "you", "'email' is an address", id="no-at"),
        pytest.param("a", "you@example.com\nBcc: all@example.com", "'email' is", id="bcc"),
        pytest.param("a", "you@example.com\n", "'email' is", id="newline"),
        pytest.param("a", "you@example.com, all@example.com", "'email' is", id="two"),
        pytest.param("a", "you <you@example.com>", "'email' is", id="angle"),
        pytest.param("a", "yöu@example.com", "'email' is", id="unicode"),
        pytest.param("a", f"{'x' * 110}@example.com", "'email' is", id="long-email"),
        pytest.param("a", "you@example..com", "'email' is", id="two-dots"),
    ],
)
def test_an_album_wants_a_name_and_an_address(api: Any, name: str, email: str, says: str) -> None:
    before = api.kept()
    is_a_problem(api.post("/albums", name=name, email=email), 422, says)
    assert api.kept() == before


def test_an_album_wants_a_form(api: Any) -> None:
    address, album = f"{api.url}/albums", {"name": "a", "email": "you@example.com"}
    before = api.kept()
    is_a_problem(api.client.post(address, json=album), 422)
    is_a_problem(api.client.post(address, content=b"{"), 422)
    is_a_problem(api.client.put(address), 405)
    assert api.kept() == before
    assert api.post("/albums", name="x" * 60, email="a.b+c@d-e.f").status_code == 201


@pytest.mark.parametrize(("content", "status", "says"), BAD_UPLOADS)
@pytest.mark.parametrize("path", ["/photos", "album"])
def test_what_isnt_a_photo_is_refused_and_leaves_nothing(
    api: Any, path: str, content: bytes, status: int, says: str
) -> None:
    path = path if path == "/photos" else f"{api.album()}/photos"
    before = api.kept()
    is_a_problem(api.hand_in(content, path=path), status, says)
    assert api.kept() == before


def test_a_request_without_a_photo_is_refused_and_leaves_nothing(api: Any) -> None:
    for path in ("/photos", f"{api.album()}/photos"):
        before, address = api.kept(), api.url + path
        is_a_problem(api.client.post(address, files={"picture": b"x"}), 400, "named 'photo'")
        is_a_problem(api.client.post(address, data={"photo": "x"}), 415, "form-data")
        is_a_problem(api.client.post(address, json={"photo": "x"}), 415, "form-data")
        is_a_problem(api.client.post(address), 415, "form-data")
        assert api.kept() == before


def test_an_album_holds_sixty_photos(api: Any, small_photo: bytes) -> None:
    path = api.album(*[small_photo] * 60)
    before = api.kept()
    is_a_problem(api.hand_in(small_photo, path=f"{path}/photos"), 422, "it holds 60")
    assert api.kept() == before
    assert len(api.get(path)["photos"]) == 60


def test_an_empty_album_cant_be_ordered_nor_an_undeveloped_one_packed(
    api: Any, small_photo: bytes
) -> None:
    path = api.album()
    before = api.kept()
    is_a_problem(api.post(f"{path}/orders"), 422, "put photos in first")
    is_a_problem(api.post(f"{path}/zip"), 409, "order the album first")
    assert api.kept() == before
    api.accepted(api.hand_in(small_photo, path=f"{path}/photos"), 201)
    is_a_problem(api.post(f"{path}/zip"), 409, "order the album first")
    for file in ("sheet.jpg", "album.zip"):
        is_a_problem(api.client.get(f"{api.url}{path}/{file}"), 404)


# --- what stands beside --------------------------------------------------------------------------


def test_the_mail_has_moods(api: Any) -> None:
    said = api.get("/mail")
    assert list(said) == ["mood", "moods", "letters"]
    assert said["mood"] == "takes"
    assert list(said["moods"]) == ["takes", "refuses", "denies"]
    for mood in reversed(said["moods"]):
        assert api.post("/mail/mood", mood=mood).json() == {"mood": mood}
        assert api.get("/mail")["mood"] == mood
    for rubbish in ("", "Takes", "../takes", "x" * 5000):
        is_a_problem(api.post("/mail/mood", mood=rubbish), 422, "takes, refuses, denies")
    is_a_problem(api.client.post(f"{api.url}/mail/mood", json={"mood": "takes"}), 422)
    assert api.get("/mail")["mood"] == "takes"


def test_the_diary_tells_the_schedule(api: Any) -> None:
    said = api.get("/diary")
    assert list(said) == ["entries", "schedule", "timezone"]
    assert said["timezone"] == "UTC"
    assert said["schedule"] == [
        {"name": "statistics", "task": "tasks.count", "when": "0:01:00"},
        {
            "name": "clean-up",
            "task": "tasks.clean_up",
            "when": "crontab: 15 * * * * (m/h/dM/MY/d)",
        },
        {
            "name": "report",
            "task": "tasks.report",
            "when": "crontab: 30 7 * * * (m/h/dM/MY/d)",
        },
    ]


# --- ids -----------------------------------------------------------------------------------------


ADDRESSES = [
    ("GET", "/tasks/{}"),
    ("DELETE", "/tasks/{}"),
    ("POST", "/photos/{}/orders"),
    ("POST", "/photos/{}/publication"),
    ("GET", "/prints/{}/large.jpg"),
    ("GET", "/albums/{}"),
    ("POST", "/albums/{}/photos"),
    ("POST", "/albums/{}/orders"),
    ("POST", "/albums/{}/zip"),
    ("GET", "/albums/{}/sheet.jpg"),
    ("GET", "/albums/{}/album.zip"),
    ("GET", "/mail/{}/sheet.jpg"),
]


@pytest.mark.parametrize("unknown", [UNKNOWN, "nonsense", "..%2F..%2Flab.sqlite"])
@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_an_id_that_was_never_issued_is_not_found(
    api: Any, method: str, path: str, unknown: str
) -> None:
    before, address = api.kept(), api.url + path.format(unknown)
    is_a_problem(api.client.request(method, address, data={"at": at(60)}), 404)
    page = api.client.request(
        method, address, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    )
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert api.kept() == before


def test_a_browser_is_told_the_same_on_a_page(api: Any) -> None:
    for method, path in (("POST", "/albums"), ("POST", f"{api.album()}/orders")):
        problem = api.client.request(method, api.url + path).json()
        page = api.client.request(method, api.url + path, headers={"Accept": "text/html"})
        assert page.status_code == problem["status"] == 422
        assert page.headers["Content-Type"].startswith("text/html")
        assert problem["detail"].replace("'", "&#39;") in page.text


@pytest.mark.parametrize("name", ["../../../evil.jpg", "<script>evil()</script>", "évil ☃" * 40])
def test_a_visitors_file_name_is_shown_and_never_used(
    api: Any, small_photo: bytes, name: str
) -> None:
    path = api.album()
    api.accepted(api.hand_in(small_photo, name, f"{path}/photos"), 201)
    api.accepted(api.post(f"{path}/orders"))
    assert api.until(path, "SUCCESS")["photos"][0]["name"] == name
    api.until(api.accepted(api.post(f"{path}/zip")), "SUCCESS")
    assert not [file for file in api.lab.folder.parent.rglob("*") if "vil" in file.name]
