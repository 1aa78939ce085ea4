"""Letters over real SMTP, to a mail server in several moods: tried again, given up, sent once."""

import random
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.utils.time import get_exponential_backoff_interval
from flask import Flask

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

QUICK = "--without-mingle --without-gossip --loglevel INFO"


@pytest.fixture
def addressee(request: pytest.FixtureRequest) -> str:
    """Return an address to which no other test writes."""
    return f"{request.node.name[5:60]}@example.com"


def order(api: Any, photo: bytes, email: str) -> str:
    """Order an album of one photo; return where to ask for it."""
    return str(api.accepted(api.post(f"{api.album(photo, email=email)}/orders")))


def letter_id(api: Any, album: str) -> str:
    """Return the id of an album's letter, once it is written."""
    sql = "select letter.id from letter join 'order' on letter.id = 'order'.id where album_id = ?"
    found = wait_until(lambda: api.query(sql, album.removeprefix("/albums/")), "a letter")
    return str(found[0][0])


def deliver_order(api: Any, album: str) -> Any:
    """Return how the delivery of an album's letter stands."""
    return api.get(album)["orders"][-1]


# --- a server that takes letters, refuses them for a while, is away ------------------------------


def test_a_letter_arrives_once(api: Any, small_photo: bytes, addressee: str) -> None:
    album = api.ordered(small_photo, name="Été ☀", email=addressee)
    (letter,) = api.letters(addressee)
    assert list(letter) == ["id", "to", "subject", "at", "text", "sheet", "copies"]
    assert letter["subject"] == "Album: Été ☀"
    assert letter["text"] == "Developed: 1. Could not be read: 0.\n"
    assert (letter["sheet"], letter["copies"]) == (True, 1)
    assert time.time() - letter["at"] < 60
    sent = api.client.get(f"{api.url}/mail/{letter['id']}/sheet.jpg")
    sheet = api.client.get(api.url + album["sheet"])
    assert sent.headers["Content-Type"] == "image/jpeg"
    assert sent.content == sheet.content
    assert api.get("/mail")["letters"][0] == letter, "the latest comes first"


def test_a_server_that_refuses_is_asked_again_until_it_takes(
    api: Any, small_photo: bytes, addressee: str
) -> None:
    api.post("/mail/mood", mood="refuses")
    album = order(api, small_photo, addressee)

    def refused_twice() -> Any:
        found = api.get(album)
        return found["orders"][-1]["state"] == "RETRY" and found["tries"] > 1 and found

    found = wait_until(refused_twice, "a second try")
    assert (found["state"], found["error"]) == ("STARTED", None), "the album isn't given up"
    delivery = found["orders"][-1]
    assert delivery["error"]["type"] == "BusyError"
    assert delivery["error"]["message"].startswith("451 4.3.2 ")
    assert (delivery["result"], delivery["progress"]) == (None, None)
    assert api.letters(addressee) == []

    api.post("/mail/mood", mood="takes")
    done = api.finished(album)
    assert done["tries"] > found["tries"]
    assert done["orders"][-1]["result"] == {
        "letter": done["result"]["letter"],
        "tries": done["tries"],
    }
    assert [letter["copies"] for letter in api.letters(addressee)] == [1]


def test_a_server_that_is_away_gets_the_letter_when_it_is_back(
    api: Any, small_photo: bytes, addressee: str
) -> None:
    api.lab.stop("mail")
    album = order(api, small_photo, addressee)
    wait_until(lambda: deliver_order(api, album)["state"] == "RETRY", "a failed try")
    error = deliver_order(api, album)["error"]
    assert error == {"type": "ConnectionRefusedError", "message": "[Errno 111] Connection refused"}
    api.lab.start("mail")
    assert api.until(album, "SUCCESS", seconds=30)["tries"] > 1
    assert [letter["copies"] for letter in api.letters(addressee)] == [1]


def test_a_letter_that_is_taken_back_is_not_sent(
    api: Any, small_photo: bytes, addressee: str
) -> None:
    api.post("/mail/mood", mood="refuses")
    album = order(api, small_photo, addressee)
    wait_until(lambda: deliver_order(api, album)["state"] == "RETRY", "a failed try")
    delivery = f"/tasks/{deliver_order(api, album)['id']}"
    assert api.delete(delivery).status_code == 202
    api.post("/mail/mood", mood="takes")
    api.until(delivery, "REVOKED")
    assert api.until(album, "REVOKED")["result"] is None
    assert api.query("select sent from letter where id = ?", letter_id(api, album)) == [(None,)]
    assert api.letters(addressee) == []


# --- a server that says no for good --------------------------------------------------------------


def test_nobody_is_not_tried_again(api: Any, small_photo: bytes) -> None:
    album = order(api, small_photo, "nobody@example.com")
    found = api.until(album, "FAILURE")
    error = {"type": "RefusedError", "message": "550 5.1.1 Nobody of that name lives here"}
    assert (found["error"], found["tries"], found["result"]) == (error, 1, None)
    delivery = found["orders"][-1]
    assert (delivery["state"], delivery["error"]) == ("FAILURE", error)
    assert api.query("select sent from letter where id = ?", letter_id(api, album)) == [(None,)]
    assert "Traceback" not in str(found)
    assert found["sheet"], "which is there, whatever the mail server says"


# --- a server that takes letters and says it didn't ----------------------------------------------


def test_who_is_told_that_it_failed_sends_again_what_has_arrived(
    api: Any, small_photo: bytes, addressee: str
) -> None:
    """The letter arrives several times. Its Message-ID tells that it is one."""
    api.post("/mail/mood", mood="denies")
    album = order(api, small_photo, addressee)
    wait_until(lambda: api.letters(addressee), "the letter")
    wait_until(lambda: api.letters(addressee)[0]["copies"] > 1, "the same letter again")
    assert api.get(album)["state"] == "STARTED"
    api.post("/mail/mood", mood="takes")
    done = api.finished(album)
    (letter,) = api.letters(addressee)
    assert letter["copies"] == done["tries"]
    ids = {
        line
        for path in (api.lab.folder / "lab/mail/new").iterdir()
        for line in path.read_text().splitlines()
        if addressee in path.read_text() and line.startswith("Message-ID:")
    }
    assert ids == {f"Message-ID: <{done['result']['letter']}@photo-lab.example>"}


def test_delivering_a_letter_that_was_sent_sends_nothing(
    api: Any, small_photo: bytes, addressee: str, celery: Celery
) -> None:
    letter = api.ordered(small_photo, email=addressee)["result"]["letter"]
    for _ in range(2):
        result = celery.send_task("tasks.deliver", [letter], queue="lab").get(timeout=10)
        assert result == {"letter": letter, "tries": 1}
    assert [letter["copies"] for letter in api.letters(addressee)] == [1]


# --- how often, and when -------------------------------------------------------------------------


@pytest.fixture
def deliver(app: Flask) -> Iterator[Any]:
    from lab.post import deliver

    with app.app_context():
        yield deliver


def test_the_pauses_double_up_to_a_minute_and_are_random(
    deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deliver.max_retries == 10
    assert (deliver.retry_backoff, deliver.retry_backoff_max) == (1, 60)
    assert deliver.retry_jitter is True

    def pause(retries: int) -> int:
        seconds: int = get_exponential_backoff_interval(
            factor=deliver.retry_backoff,
            retries=retries,
            maximum=deliver.retry_backoff_max,
            full_jitter=deliver.retry_jitter,
        )
        return seconds

    bounds = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    for retries, bound in enumerate(bounds):
        found = {pause(retries) for _ in range(2000)}
        assert max(found) == bound
        assert min(found) == 0, "full jitter: any part of it"
    monkeypatch.setattr(random, "randrange", lambda end: end - 1)
    assert [pause(retries) for retries in range(10)] == bounds


def test_a_retry_is_the_same_task_with_that_countdown(
    deliver: Any, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the task does when it fails for the fifth time: its wait is what the backoff gives."""
    from celery.exceptions import Retry
    from lab.post import Letter

    from lab.db import db

    letter = Letter(id=f"letter-{time.time()}", to="you@example.com", subject="-", text="-")
    db.session.add(letter)
    db.session.commit()
    monkeypatch.setattr(random, "randrange", lambda end: end - 1)
    monkeypatch.setitem(app.config, "SMTP_PORT", 1)  # nobody listens there
    waits = []

    def note(self: Any, args: Any, kwargs: Any, **options: Any) -> None:
        waits.append((options["task_id"], options["retries"], options["countdown"]))

    monkeypatch.setattr("celery.app.task.Task.apply_async", note)
    for retries in (0, 4, 9):
        deliver.push_request(id="same", retries=retries, called_directly=False, is_eager=False)
        try:
            with pytest.raises(Retry):
                deliver.run(letter.id)
        finally:
            deliver.pop_request()
    assert waits == [("same", 1, 1), ("same", 5, 16), ("same", 10, 60)]
    deliver.push_request(id="same", retries=10, called_directly=False, is_eager=False)
    try:
        with pytest.raises(ConnectionRefusedError):
            deliver.run(letter.id)
    finally:
        deliver.pop_request()
    db.session.delete(db.session.get_one(Letter, letter.id))
    db.session.commit()


@pytest.fixture
def impatient(lab: ChapterRun, tmp_path: Path) -> Iterator[None]:
    """Put a worker in the place of the lab's own that waits a tenth of a second at most."""
    (tmp_path / "impatient.py").write_text(
        "from celery.app import autoretry\n"
        "autoretry.get_exponential_backoff_interval = lambda **_: 0.1\n"
        "from make_celery import celery_app, flask_app\n"
    )
    command = f"celery -A impatient worker -n impatient@%h --concurrency 2 {QUICK}"
    lab.stop("worker")
    lab.add("impatient", f"PYTHONPATH={tmp_path} {command}")
    lab.start("impatient")
    yield
    lab.stop("impatient")
    del lab.services["impatient"]


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_after_ten_retries_it_is_given_up(api: Any, small_photo: bytes, addressee: str) -> None:
    api.post("/mail/mood", mood="refuses")
    album = order(api, small_photo, addressee)
    found = api.until(album, "FAILURE", seconds=60)
    assert found["tries"] == 11, "once, and ten times more"
    assert found["error"]["type"] == "BusyError"
    assert found["orders"][-1]["state"] == "FAILURE"
    assert api.letters(addressee) == []


def test_the_mail_server_speaks_smtp(lab: ChapterRun, api: Any) -> None:
    """Real refusals, whoever asks: so it isn't our own code on both ends."""
    api.post("/mail/mood", mood="refuses")
    with smtplib.SMTP("127.0.0.1", lab.ports["LAB_SMTP_PORT"], timeout=10) as server:
        assert server.ehlo()[0] == 250
        assert server.mail("me@example.com")[0] == 451
        api.post("/mail/mood", mood="takes")
        assert server.mail("me@example.com")[0] == 250
        assert server.rcpt("nobody@example.com")[0] == 550
        assert server.rcpt("you@example.com")[0] == 250
