"""Chapter 3 from outside, on real servers: what each request is answered."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import redis

from tests.rubbish import RUBBISH
from workbench.bench import Bench

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
def paused_worker(lab: Bench) -> Iterator[None]:
    """Let the worker do nothing for a while."""
    family = lab.services["worker"].family()
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in family:
            process.resume()


def at(seconds: float) -> str:
    """Return a time that many seconds from now, as a visitor writes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


# --- photos --------------------------------------------------------------------------------------


def test_a_photo_is_accepted_developed_and_handed_out(visit: Any, small_photo: bytes) -> None:
    with paused_worker(visit.lab):
        answer = visit.hand_in(small_photo, "my cat.jpg")
        address = visit.accepted(answer)
        order = address.removeprefix("/tasks/")
        assert answer.json() == {"id": order, "status": address}
        assert visit.get(address) == dict.fromkeys(STATUS_KEYS) | {
            "id": order,
            "task": "tasks.develop",
            "state": "PENDING",
        }
    status = visit.until(address, "SUCCESS")
    assert list(status) == STATUS_KEYS
    assert list(status["result"]) == ["seconds"]
    assert (status["error"], status["progress"]) == (None, None)
    assert visit.visitor.get(visit.url + status["print"]).headers["Content-Type"] == "image/jpeg"

    card = visit.get("/photos")["photos"][0]
    assert list(card) == CARD_KEYS
    assert (card["name"], card["order"]) == ("my cat.jpg", status)
    assert (card["published"], card["publication"]) == (None, None)
    assert card["publish"] == f"/photos/{card['id']}/publication"
    again = visit.until(visit.accepted(visit.visitor.post(visit.url + card["again"])), "SUCCESS")
    assert again["id"] != order


def test_a_broken_photo_fails_and_cant_be_ordered_again(visit: Any, small_photo: bytes) -> None:
    status = visit.until(visit.accepted(visit.hand_in(small_photo[:-300])), "FAILURE")
    assert list(status) == STATUS_KEYS
    assert list(status["error"]) == ["type", "message"]
    assert status["error"]["type"] == "UnidentifiedImageError"
    assert "Traceback" not in str(status)
    card = visit.get("/photos")["photos"][0]
    assert card["order"] == status
    assert card["again"] is None
    is_a_problem(visit.post(f"/photos/{card['id']}/orders"), 410, "Hand in another")


def test_my_task_adds_two_numbers_or_says_what_it_wants(visit: Any) -> None:
    status = visit.until(visit.accepted(visit.post("/my-task", arg1="2", arg2="3.5")), "SUCCESS")
    assert (list(status), status["result"]) == (STATUS_KEYS, 5.5)
    before = visit.kept()
    is_a_problem(visit.post("/my-task", arg1="two", arg2="3"), 422, "'arg1' is a number")
    is_a_problem(visit.visitor.post(f"{visit.url}/my-task", json={}), 422, "'arg1' is a number")
    assert visit.kept() == before


# --- publications --------------------------------------------------------------------------------


def test_a_publication_is_an_order_with_a_time(visit: Any, small_photo: bytes) -> None:
    photo = visit.developed(small_photo)
    due = at(3600)
    address = visit.accepted(visit.post(photo["publish"], at=due))
    status = visit.get(address)
    assert list(status) == STATUS_KEYS
    assert (status["task"], status["state"]) == ("tasks.publish", "PENDING")
    publication = visit.get("/photos")["photos"][0]["publication"]
    assert publication == {"due": datetime.fromisoformat(due).timestamp(), "order": status}

    answer = visit.delete(address)
    assert answer.status_code == 202
    error = {"type": "TaskRevokedError", "message": "taken back"}
    for said in (answer.json(), visit.get(address)):  # by the row, or by the worker already
        assert said == status | {"state": "REVOKED", "error": error}
        assert list(said) == STATUS_KEYS
    assert visit.delete(address).status_code == 202, "twice does no harm"


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
    visit: Any, any_photo: dict[str, Any], text: str, says: str
) -> None:
    before = visit.kept()
    is_a_problem(visit.post(any_photo["publish"], at=text), 422, says)
    assert visit.kept() == before


def test_the_bounds_of_a_year_are_met(visit: Any, any_photo: dict[str, Any]) -> None:
    year = 365 * 86400
    for seconds in (-1, year + 5):
        is_a_problem(visit.post(any_photo["publish"], at=at(seconds)), 422, "past, or more")
    visit.delete(visit.accepted(visit.post(any_photo["publish"], at=at(year - 5))))
    for offset in ("+05:30", "-11:00"):
        hours, minutes = map(int, offset.split(":"))
        there = datetime.now(UTC) + timedelta(hours=hours + 1, minutes=minutes)
        text = f"{there.replace(tzinfo=None).isoformat()}{offset}"  # in an hour
        order = visit.accepted(visit.post(any_photo["publish"], at=text))
        due = visit.query('select due - placed from "order" where id = ?', order[7:])[0][0]
        assert due == pytest.approx(3600, abs=5)
        visit.delete(order)


@pytest.fixture(scope="module")
def any_photos() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def any_photo(visit: Any, small_photo: bytes, any_photos: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the card of a photo, the same for all tests of this file."""
    if not any_photos:
        any_photos.append(visit.developed(small_photo))
    return any_photos[0]


# --- taking back ---------------------------------------------------------------------------------


def test_what_is_done_cant_be_taken_back(visit: Any, small_photo: bytes) -> None:
    done = visit.accepted(visit.hand_in(small_photo))
    failed = visit.accepted(visit.hand_in(small_photo[:-300]))
    for address, state in ((done, "SUCCESS"), (failed, "FAILURE")):
        status = visit.until(address, state)
        is_a_problem(visit.delete(address), 409, "is done")
        assert visit.get(address) == status
    assert visit.query('select taken_back from "order" where id = ?', done[7:]) == [(None,)]


def test_what_has_expired_is_gone_and_cant_be_taken_back(visit: Any) -> None:
    address = visit.accepted(visit.post("/my-task", arg1="1", arg2="1"))
    visit.until(address, "SUCCESS")
    forget_result(visit, address[7:])
    is_a_problem(visit.visitor.get(visit.url + address), 410, "expired")
    is_a_problem(visit.delete(address), 409, "is done")


def forget_result(visit: Any, order: str) -> None:
    """Do what a day does: the order is two days old, and its result is gone from the backend."""
    visit.query('update "order" set placed = placed - 172800 where id = ?', order)
    assert redis.Redis.from_url(visit.lab.result_backend).delete(f"celery-task-meta-{order}")


# --- albums --------------------------------------------------------------------------------------


def test_an_album_is_made_filled_ordered_and_packed(visit: Any, small_photo: bytes) -> None:
    answer = visit.post("/albums", name="  Été, 2026 ☀ ", email="you@example.com")
    path = visit.accepted(answer, 201)
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
    assert visit.get(path) == new
    assert list(visit.get(path)) == ALBUM_KEYS
    assert visit.get("/albums")["albums"][0] == new

    answer = visit.hand_in(small_photo, "one.jpg", f"{path}/photos")
    assert visit.accepted(answer, 201) == path
    photo = answer.json()["id"]
    assert answer.json() == {"id": photo}
    filled = visit.get(path)
    assert filled == new | {"photos": [{"id": photo, "name": "one.jpg"}]}
    assert photo not in str(visit.get("/photos")), "it belongs to the album"

    with paused_worker(visit.lab):
        answer = visit.post(f"{path}/orders")
        assert visit.accepted(answer) == path
        assert answer.json() == {"id": album, "status": path}
        ordered = visit.get(path)
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

    done = visit.finished(path)
    assert list(done) == ALBUM_KEYS
    assert list(done["result"]) == ["letter"]
    assert (done["error"], done["tries"], done["zip"], done["packing"]) == (None, 1, None, None)
    assert done["sheet"] == f"{path}/sheet.jpg"
    for order in done["orders"]:
        assert list(order) == ["photo", *STATUS_KEYS]
        assert {"photo": order["photo"]} | visit.get(f"/tasks/{order['id']}") == order
    print_url = done["orders"][0]["print"]
    assert visit.visitor.get(visit.url + print_url).headers["Content-Type"] == "image/jpeg"

    answer = visit.post(f"{path}/zip")
    packing = visit.until(visit.accepted(answer), "SUCCESS")
    assert list(packing) == STATUS_KEYS
    assert list(packing["result"]) == ["done", "total", "bytes"]
    packed = visit.get(path)
    assert (packed["packing"], packed["zip"]) == (packing, f"{path}/album.zip")
    file = visit.visitor.get(visit.url + packed["zip"])
    assert file.headers["Content-Type"] == "application/zip"
    assert "attachment" in file.headers["Content-Disposition"]
    assert len(file.content) == packing["result"]["bytes"]


def test_the_latest_six_albums_are_listed(visit: Any) -> None:
    names = [f"number {number}" for number in range(7)]
    for name in names:
        visit.album(name=name)
    assert [album["name"] for album in visit.get("/albums")["albums"]] == names[:0:-1]


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
def test_an_album_wants_a_name_and_an_address(visit: Any, name: str, email: str, says: str) -> None:
    before = visit.kept()
    is_a_problem(visit.post("/albums", name=name, email=email), 422, says)
    assert visit.kept() == before


def test_an_album_wants_a_form(visit: Any) -> None:
    address, album = f"{visit.url}/albums", {"name": "a", "email": "you@example.com"}
    before = visit.kept()
    is_a_problem(visit.visitor.post(address, json=album), 422)
    is_a_problem(visit.visitor.post(address, content=b"{"), 422)
    is_a_problem(visit.visitor.put(address), 405)
    assert visit.kept() == before
    assert visit.post("/albums", name="x" * 60, email="a.b+c@d-e.f").status_code == 201


@pytest.mark.parametrize(("content", "status", "says"), RUBBISH)
@pytest.mark.parametrize("path", ["/photos", "album"])
def test_what_isnt_a_photo_is_refused_and_leaves_nothing(
    visit: Any, path: str, content: bytes, status: int, says: str
) -> None:
    path = path if path == "/photos" else f"{visit.album()}/photos"
    before = visit.kept()
    is_a_problem(visit.hand_in(content, path=path), status, says)
    assert visit.kept() == before


def test_a_request_without_a_photo_is_refused_and_leaves_nothing(visit: Any) -> None:
    for path in ("/photos", f"{visit.album()}/photos"):
        before, address = visit.kept(), visit.url + path
        is_a_problem(visit.visitor.post(address, files={"picture": b"x"}), 400, "named 'photo'")
        is_a_problem(visit.visitor.post(address, data={"photo": "x"}), 415, "form-data")
        is_a_problem(visit.visitor.post(address, json={"photo": "x"}), 415, "form-data")
        is_a_problem(visit.visitor.post(address), 415, "form-data")
        assert visit.kept() == before


def test_an_album_holds_sixty_photos(visit: Any, small_photo: bytes) -> None:
    path = visit.album(*[small_photo] * 60)
    before = visit.kept()
    is_a_problem(visit.hand_in(small_photo, path=f"{path}/photos"), 422, "it holds 60")
    assert visit.kept() == before
    assert len(visit.get(path)["photos"]) == 60


def test_an_empty_album_cant_be_ordered_nor_an_undeveloped_one_packed(
    visit: Any, small_photo: bytes
) -> None:
    path = visit.album()
    before = visit.kept()
    is_a_problem(visit.post(f"{path}/orders"), 422, "put photos in first")
    is_a_problem(visit.post(f"{path}/zip"), 409, "order the album first")
    assert visit.kept() == before
    visit.accepted(visit.hand_in(small_photo, path=f"{path}/photos"), 201)
    is_a_problem(visit.post(f"{path}/zip"), 409, "order the album first")
    for file in ("sheet.jpg", "album.zip"):
        is_a_problem(visit.visitor.get(f"{visit.url}{path}/{file}"), 404)


# --- what stands beside --------------------------------------------------------------------------


def test_the_mail_has_moods(visit: Any) -> None:
    said = visit.get("/mail")
    assert list(said) == ["mood", "moods", "letters"]
    assert said["mood"] == "takes"
    assert list(said["moods"]) == ["takes", "refuses", "denies"]
    for mood in reversed(said["moods"]):
        assert visit.post("/mail/mood", mood=mood).json() == {"mood": mood}
        assert visit.get("/mail")["mood"] == mood
    for rubbish in ("", "Takes", "../takes", "x" * 5000):
        is_a_problem(visit.post("/mail/mood", mood=rubbish), 422, "takes, refuses, denies")
    is_a_problem(visit.visitor.post(f"{visit.url}/mail/mood", json={"mood": "takes"}), 422)
    assert visit.get("/mail")["mood"] == "takes"


def test_the_diary_tells_the_schedule(visit: Any) -> None:
    said = visit.get("/diary")
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
    visit: Any, method: str, path: str, unknown: str
) -> None:
    before, address = visit.kept(), visit.url + path.format(unknown)
    is_a_problem(visit.visitor.request(method, address, data={"at": at(60)}), 404)
    page = visit.visitor.request(
        method, address, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    )
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert visit.kept() == before


def test_a_browser_is_told_the_same_on_a_page(visit: Any) -> None:
    for method, path in (("POST", "/albums"), ("POST", f"{visit.album()}/orders")):
        problem = visit.visitor.request(method, visit.url + path).json()
        page = visit.visitor.request(method, visit.url + path, headers={"Accept": "text/html"})
        assert page.status_code == problem["status"] == 422
        assert page.headers["Content-Type"].startswith("text/html")
        assert problem["detail"].replace("'", "&#39;") in page.text


@pytest.mark.parametrize("name", ["../../../evil.jpg", "<script>evil()</script>", "évil ☃" * 40])
def test_a_visitors_file_name_is_shown_and_never_used(
    visit: Any, small_photo: bytes, name: str
) -> None:
    path = visit.album()
    visit.accepted(visit.hand_in(small_photo, name, f"{path}/photos"), 201)
    visit.accepted(visit.post(f"{path}/orders"))
    assert visit.until(path, "SUCCESS")["photos"][0]["name"] == name
    visit.until(visit.accepted(visit.post(f"{path}/zip")), "SUCCESS")
    assert not [file for file in visit.lab.folder.parent.rglob("*") if "vil" in file.name]
