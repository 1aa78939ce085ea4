"""Letters over real SMTP, to a server that is told how to behave: retried, given up, sent once."""

import re
import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.utils.time import get_exponential_backoff_interval as backoff

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun


@pytest.fixture(scope="module")
def first_photo() -> list[Any]:
    return []


@pytest.fixture
def photo(api: Any, small_photo: bytes, first_photo: list[Any]) -> Any:
    """Return a developed photo, the same for all tests of this file."""
    if not first_photo:
        first_photo.append(api.developed(small_photo, "Été ☀.jpg"))
    return first_photo[0]


@pytest.fixture
def addressee(request: pytest.FixtureRequest) -> str:
    """Return an address to which no other test writes."""
    return f"{request.node.name[5:60]}@example.com"


def letter_row(api: Any, to: str) -> tuple[int, float | None]:
    """Return how often a letter was tried, and when it was sent."""
    [(tries, sent_at)] = api.query('select tries, sent_at from letter where "to" = ?', to)
    return tries, sent_at


def copies(api: Any, to: str) -> int:
    """Return how many copies of all letters arrived for somebody."""
    return sum(letter["copies"] for letter in api.letters(to))


def message_ids(api: Any, to: str) -> set[str]:
    """Return the Message-IDs of all copies that arrived for somebody."""
    texts = [path.read_text() for path in (api.lab.folder / "lab/mail/new").iterdir()]
    mine = [text for text in texts if f"To: {to}" in text]
    return {found for text in mine for found in re.findall(r"^Message-ID: <(.*)>$", text, re.M)}


# --- a server that accepts letters, refuses them for a while, doesn't answer


def test_a_letter_arrives_once_with_the_print(api: Any, photo: Any, addressee: str) -> None:
    done = api.until(api.write(photo, addressee), "SUCCESS")
    assert done["result"]["tries"] == 1

    [letter] = api.letters(addressee)

    assert letter["subject"] == "Your print: Été ☀.jpg"
    assert letter["text"] == "Here is your print. Thank you for coming to the photo lab.\n"
    assert (letter["has_print"], letter["copies"]) == (True, 1)
    sent = api.client.get(f"{api.url}/mail/{letter['id']}/print.jpg")
    medium = photo["orders"]["tasks.develop"]["print"].replace("large", "medium")
    assert sent.headers["Content-Type"] == "image/jpeg"
    assert sent.content == api.client.get(api.url + medium).content
    assert api.get("/mail")["letters"][0] == letter, "the latest comes first"


def test_a_server_that_refuses_is_asked_again_until_it_accepts(
    api: Any, photo: Any, addressee: str
) -> None:
    api.post("/mail/behaviour", behaviour="refuses")
    order = api.write(photo, addressee)
    refused = api.until(order, "RETRY")
    assert refused["error"] == {
        "type": "BusyError",
        "message": "451 4.3.2 Try again later",
    }
    assert refused["result"] is None
    wait_until(lambda: letter_row(api, addressee)[0] > 1, "a second try")
    assert api.letters(addressee) == []

    api.post("/mail/behaviour", behaviour="accepts")

    assert api.until(order, "SUCCESS", seconds=40)["result"]["tries"] > 1
    assert [letter["copies"] for letter in api.letters(addressee)] == [1]


@pytest.mark.slow
def test_a_server_that_is_down_gets_the_letter_when_it_is_back(
    api: Any, photo: Any, addressee: str
) -> None:
    api.lab.stop("mail")
    order = api.write(photo, addressee)
    assert api.until(order, "RETRY")["error"]["type"] == "ConnectionRefusedError"
    api.lab.start("mail")
    assert api.until(order, "SUCCESS", seconds=40)["result"]["tries"] > 1
    assert [letter["copies"] for letter in api.letters(addressee)] == [1]


def test_a_letter_that_is_cancelled_is_not_sent(
    api: Any, photo: Any, addressee: str, lab: ChapterRun
) -> None:
    results = Celery(backend=lab.result_backend, set_as_current=False)
    api.post("/mail/behaviour", behaviour="refuses")
    order = api.write(photo, addressee)
    api.until(order, "RETRY")
    assert api.cancel(order).json()["state"] == "REVOKED", "at once"
    api.post("/mail/behaviour", behaviour="accepts")
    # When the next try is due, the worker drops it. (The page knows it from the order's row.)
    result = results.AsyncResult(order.removeprefix("/tasks/"))
    wait_until(result.ready, "the worker to drop the letter", 30)
    assert letter_row(api, addressee)[1] is None
    assert api.letters(addressee) == []


def test_a_server_that_refuses_for_good_is_not_asked_again(api: Any, photo: Any) -> None:
    failed = api.until(api.write(photo, "nobody@example.com"), "FAILURE")
    assert failed["error"] == {
        "type": "RefusedError",
        "message": "550 5.1.1 There is no such mailbox",
    }
    assert letter_row(api, "nobody@example.com") == (1, None)


# --- a server that accepts letters and denies it


@pytest.mark.slow
def test_a_letter_whose_arrival_is_denied_arrives_again(
    api: Any, photo: Any, addressee: str
) -> None:
    """Its Message-ID tells that it is one letter."""
    api.post("/mail/behaviour", behaviour="accepts and denies")
    order = api.write(photo, addressee)
    wait_until(lambda: copies(api, addressee) > 1, "the same letter again", 30)
    api.post("/mail/behaviour", behaviour="accepts")

    done = api.until(order, "SUCCESS", seconds=40)

    [letter] = api.letters(addressee)
    assert letter["copies"] == done["result"]["tries"]
    assert message_ids(api, addressee) == {f"{done['result']['letter']}@photo-lab.example"}


def test_delivering_a_letter_that_was_sent_sends_nothing(
    api: Any, photo: Any, addressee: str, celery: Celery
) -> None:
    result = api.until(api.write(photo, addressee), "SUCCESS")["result"]
    for _ in range(2):
        again = celery.send_task("tasks.deliver", [result["letter"]]).get(timeout=10)
        assert again == result
    assert [letter["copies"] for letter in api.letters(addressee)] == [1]


# --- how often, and when


def test_the_waits_double_up_to_a_minute_and_jitter_takes_any_part_of_them() -> None:
    bounds = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    without, drawn = [], []
    for retries in range(10):
        without.append(backoff(factor=1, retries=retries, maximum=60))
        waits = (backoff(1, retries, maximum=60, full_jitter=True) for _ in range(2000))
        drawn.append(set(waits))
    assert without == bounds
    assert [max(waits) for waits in drawn] == bounds
    assert {min(waits) for waits in drawn} == {0}


@pytest.mark.slow
def test_the_task_waits_as_its_decorator_says(run: Callable[..., str]) -> None:
    names = ["max_retries", "retry_backoff", "retry_backoff_max", "retry_jitter"]
    shown = ", ".join(f"deliver.{name}" for name in names)
    assert run(f"python -c 'from lab.letters import deliver; print({shown})'") == "10 1 60 True\n"


@pytest.fixture
def hasty_worker(lab: ChapterRun, tmp_path: Path) -> Iterator[None]:
    """Put a worker in the place of the lab's own that waits a tenth of a second at most."""
    (tmp_path / "hasty.py").write_text(
        "from celery.app import autoretry\n"
        "autoretry.get_exponential_backoff_interval = lambda **_: 0.1\n"
        "from make_celery import celery_app, flask_app\n"
    )
    command = "celery -A hasty worker -n hasty@%h --without-mingle --without-gossip"
    lab.stop("worker")
    lab.add("hasty", f"PYTHONPATH={tmp_path} {command}")
    lab.start("hasty")
    yield
    lab.stop("hasty")
    del lab.services["hasty"]


@pytest.mark.slow
@pytest.mark.usefixtures("hasty_worker")
def test_after_ten_retries_it_is_given_up(api: Any, photo: Any, addressee: str) -> None:
    api.post("/mail/behaviour", behaviour="refuses")
    failed = api.until(api.write(photo, addressee), "FAILURE", seconds=60)
    assert failed["error"]["type"] == "BusyError"
    assert letter_row(api, addressee) == (11, None), "once, and ten times more"
    assert api.letters(addressee) == []


# --- the mail server itself


def test_the_mail_server_speaks_smtp(lab: ChapterRun, api: Any) -> None:
    """Real answers, whoever asks: so it isn't our own code on both ends."""
    api.post("/mail/behaviour", behaviour="refuses")
    with smtplib.SMTP("127.0.0.1", lab.ports["LAB_SMTP_PORT"], timeout=10) as server:
        codes = [server.ehlo()[0], server.mail("me@example.com")[0]]
        api.post("/mail/behaviour", behaviour="accepts")
        codes.append(server.mail("me@example.com")[0])
        codes += [server.rcpt("nobody@example.com")[0], server.rcpt("you@example.com")[0]]
    assert codes == [250, 451, 250, 550, 250]


def test_the_mail_server_prints_one_line_a_letter(api: Any, photo: Any, addressee: str) -> None:
    api.until(api.write(photo, addressee), "SUCCESS")
    lines = [line for line in api.lab.log.lines("mail") if addressee in line]
    assert len(lines) == 1
    assert lines[0].endswith(f"{addressee}: 250 OK")


@pytest.mark.slow
def test_a_behaviour_that_is_set_before_the_mail_server_starts_does_no_harm(
    tmp_path: Path, make_api: Callable[[ChapterRun], Any], small_photo: bytes
) -> None:
    with ChapterRun("03", folder=tmp_path, only=["web", "worker"]) as chapter_run:
        api = make_api(chapter_run)
        assert api.post("/mail/behaviour", behaviour="accepts").status_code == 200
        chapter_run.start("mail")
        api.until(api.write(api.developed(small_photo), "early@example.com"), "SUCCESS")
        assert len(api.letters("early@example.com")) == 1
