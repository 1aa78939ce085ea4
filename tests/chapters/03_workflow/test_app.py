"""Chapter 3 on real servers: what is its own. (What all chapters answer: test_http_contract.)"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.http_contract import NEVER_ISSUED, expect_problem, paused

STATUS_KEYS = ["id", "task", "state", "result", "error", "print", "due_at"]
PHOTO_KEYS = ["id", "name", "seconds", "published_at", "again", "orders"]
YEAR = 365 * 86400


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def first_photo() -> list[Any]:
    return []


@pytest.fixture
def photo(api: Any, small_photo: bytes, first_photo: list[Any]) -> Any:
    """Return a developed photo, the same for all tests of this file."""
    if not first_photo:
        first_photo.append(api.developed(small_photo, "my cat.jpg"))
    return first_photo[0]


# --- photos


def test_a_photo_is_listed_with_the_last_order_of_each_task(api: Any, small_photo: bytes) -> None:
    photo = api.developed(small_photo, "dog.jpg")
    letter = api.until(api.write(photo, "you@example.com"), "SUCCESS")
    again = api.until(api.accepted(api.client.post(api.url + photo["again"])), "SUCCESS")

    listed = api.photo_of(letter["id"])

    assert list(listed) == PHOTO_KEYS
    assert (listed["name"], listed["published_at"]) == ("dog.jpg", None)
    assert listed["orders"] == {"tasks.develop": again, "tasks.deliver": letter}
    assert list(again) == STATUS_KEYS


def test_a_broken_photo_cant_be_ordered_again(api: Any, small_photo: bytes) -> None:
    order = api.until(api.accepted(api.upload(small_photo[:-300])), "FAILURE")
    photo = api.photo_of(order["id"])
    assert photo["again"] is None
    answer = api.post(f"/photos/{photo['id']}/orders")
    expect_problem(answer, 410)
    assert "Upload another" in answer.json()["detail"]


def test_the_list_costs_the_same_number_of_questions_however_long_it_is(
    api: Any, small_photo: bytes, redis_client: Any
) -> None:
    def questions() -> int:
        before = redis_client.info("stats")["total_commands_processed"]
        api.get("/photos")
        return int(redis_client.info("stats")["total_commands_processed"] - before)

    api.get("/photos")  # connects
    with paused(api.lab, "worker"), paused(api.lab, "beat"):
        few = min(questions() for _ in range(3))
        for _ in range(5):
            api.accepted(api.upload(small_photo))
        many = min(questions() for _ in range(3))
    assert many == few


# --- publications


def test_a_publication_is_an_order_with_a_time_which_can_be_cancelled(api: Any, photo: Any) -> None:
    due = in_seconds(3600)
    address = api.publish(photo, due)
    status = api.get(address)
    assert list(status) == STATUS_KEYS
    assert (status["task"], status["state"]) == ("tasks.publish", "PENDING")
    assert status["due_at"] == due.timestamp()
    assert api.photo_of(status["id"])["orders"]["tasks.publish"] == status

    answer = api.cancel(address)

    assert answer.status_code == 202
    error = {"type": "TaskRevokedError", "message": "cancelled"}
    assert answer.json() == status | {"state": "REVOKED", "error": error}
    assert api.get(address) == answer.json()
    assert api.cancel(address).status_code == 202, "twice does no harm"


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
def test_a_time_is_aware_and_within_a_year(api: Any, photo: Any, text: str, says: str) -> None:
    before = api.kept()
    answer = api.post(f"/photos/{photo['id']}/publication", at=text)
    expect_problem(answer, 422)
    assert says in answer.json()["detail"]
    assert api.kept() == before


@pytest.mark.parametrize("seconds", [-1, YEAR + 5])
def test_a_time_outside_the_year_is_refused(api: Any, photo: Any, seconds: float) -> None:
    at = in_seconds(seconds).isoformat()
    expect_problem(api.post(f"/photos/{photo['id']}/publication", at=at), 422)


@pytest.mark.parametrize("offset", [timedelta(hours=5, minutes=30), timedelta(hours=-11)])
def test_a_time_of_any_zone_is_understood(api: Any, photo: Any, offset: timedelta) -> None:
    from datetime import timezone

    order = api.publish(photo, in_seconds(3600).astimezone(timezone(offset)))
    due_at = api.get(order)["due_at"]
    api.cancel(order)
    assert due_at == pytest.approx(in_seconds(3600).timestamp(), abs=5)


# --- letters


@pytest.mark.parametrize(
    "email",
    [
        pytest.param("", id="nothing"),
        pytest.param("you", id="no-at"),
        pytest.param("you@localhost", id="no-period"),
        pytest.param("you@example.com\nBcc: all@example.com", id="bcc"),
        pytest.param("you@example.com\n", id="newline"),
        pytest.param("you@example.com, all@example.com", id="two"),
        pytest.param("you <you@example.com>", id="angle"),
        pytest.param("yöu@example.com", id="unicode"),
        pytest.param(f"{'x' * 250}@example.com", id="long"),
        pytest.param("you@example..com", id="two-dots"),
    ],
)
def test_a_letter_wants_an_email_address(api: Any, photo: Any, email: str) -> None:
    before = api.kept()
    answer = api.post(f"/photos/{photo['id']}/letters", email=email)
    expect_problem(answer, 422)
    assert "'email' is an e-mail address" in answer.json()["detail"]
    assert api.kept() == before


def test_there_is_no_letter_before_the_print(api: Any, small_photo: bytes) -> None:
    with paused(api.lab, "worker"):
        order = api.accepted(api.upload(small_photo))
        waiting = api.photo_of(order.removeprefix("/tasks/"))
        answer = api.post(f"/photos/{waiting['id']}/letters", email="you@example.com")
    expect_problem(answer, 409)
    assert "wait until the photo is developed" in answer.json()["detail"]


# --- cancelling


def test_what_has_ended_cant_be_cancelled(api: Any, small_photo: bytes) -> None:
    done = api.accepted(api.upload(small_photo))
    failed = api.accepted(api.upload(small_photo[:-300]))
    for order, state in ((done, "SUCCESS"), (failed, "FAILURE")):
        status = api.until(order, state)
        answer = api.cancel(order)
        expect_problem(answer, 409)
        assert "has ended" in answer.json()["detail"]
        assert api.get(order) == status


# --- the mail server's behaviour, the diary


def test_the_mail_server_can_be_told_how_to_behave(api: Any) -> None:
    mail = api.get("/mail")
    assert list(mail) == ["behaviour", "behaviours", "letters"]
    assert mail["behaviour"] == "accepts"
    assert list(mail["behaviours"]) == ["accepts", "refuses", "accepts and denies"]
    for behaviour in reversed(mail["behaviours"]):
        answer = api.post("/mail/behaviour", behaviour=behaviour)
        assert answer.json() == {"behaviour": behaviour}
        assert api.get("/mail")["behaviour"] == behaviour


@pytest.mark.parametrize("rubbish", ["", "Accepts", "../accepts", "x" * 5000])
def test_a_behaviour_that_isnt_known_is_refused(api: Any, rubbish: str) -> None:
    answer = api.post("/mail/behaviour", behaviour=rubbish)
    expect_problem(answer, 422)
    assert "accepts, refuses, accepts and denies" in answer.json()["detail"]
    assert api.get("/mail")["behaviour"] == "accepts"


def test_the_diary_says_the_schedule_in_words(api: Any) -> None:
    diary = api.get("/diary")
    assert list(diary) == ["entries", "schedule", "timezone"]
    assert diary["timezone"] == "UTC"
    assert diary["schedule"] == [
        {"name": "statistics", "task": "tasks.count", "when": "every minute"},
        {"name": "clean-up", "task": "tasks.clean_up", "when": "each hour at minute 15"},
        {"name": "report", "task": "tasks.report", "when": "each day at 07:30"},
    ]


# --- ids


@pytest.mark.parametrize("unknown", [NEVER_ISSUED, "nonsense", "..%2F..%2Flab.sqlite"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/tasks/{}"),
        ("POST", "/photos/{}/orders"),
        ("POST", "/photos/{}/publication"),
        ("POST", "/photos/{}/letters"),
        ("GET", "/mail/{}/print.jpg"),
    ],
)
def test_an_id_that_was_never_issued_is_not_found(
    api: Any, method: str, path: str, unknown: str
) -> None:
    before = api.kept()
    expect_problem(api.client.request(method, api.url + path.format(unknown)), 404)
    assert api.kept() == before


@pytest.mark.parametrize("name", ["../../../evil.jpg", "<script>evil()</script>", "évil ☃" * 40])
def test_a_visitors_file_name_is_shown_and_never_used(
    api: Any, small_photo: bytes, name: str
) -> None:
    photo = api.developed(small_photo, name)
    api.until(api.write(photo, "name@example.com"), "SUCCESS")
    assert photo["name"] == name
    assert not [file for file in api.lab.folder.parent.rglob("*") if "vil" in file.name]
