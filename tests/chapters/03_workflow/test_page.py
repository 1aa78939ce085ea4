"""Chapter 3's page in a real browser: pressed, watched, wide and narrow."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from tests.support.browser import (
    NARROW,
    WIDE,
    chromium,
    expect_no_horizontal_scroll,
    page,
    photo_file,
    tab_to,
)
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

LONG = 60_000  # ms
AWAY = "The server is away. Is it still running?"
DONE = "Done: developed, laid out, mailed."
HTML = "<img src=x onerror='window.evil = 1'>"
INDIA = timezone(timedelta(hours=5, minutes=30))  # a clock that is neither the server's nor whole
LETTERS = ".card .subject"

WATCH = """() => {  // notes each sentence that an album says of itself
  window.said = [];
  const note = () => {
    for (const how of document.querySelectorAll(".how, .packed")) said.push(how.textContent);
  };
  new MutationObserver(note).observe(document.querySelector("main"),
    { subtree: true, childList: true, characterData: true });
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def empty_lab(lab: ChapterRun, client: httpx.Client) -> ChapterRun:
    """Use a lab that nobody has brought anything to, and whose mailbox is empty."""
    with closing(sqlite3.connect(lab.folder / "lab/lab.sqlite", timeout=10)) as database, database:
        for table in ("order", "photo", "album", "letter", "entry"):
            database.execute(f'delete from "{table}"')
    for name in ("photos", "prints", "albums"):
        shutil.rmtree(lab.folder / "lab" / name, ignore_errors=True)
    for letter in (lab.folder / "lab/mail").glob("new/*"):
        letter.unlink()
    assert client.get(f"{lab.url}/photos").json() == {"photos": []}
    assert client.get(f"{lab.url}/albums").json() == {"albums": []}
    return lab


def hand_in(lab_page: Page, *files: FilePayload) -> None:
    lab_page.locator("#files").set_input_files(list(files))


def make_album(lab_page: Page, *files: FilePayload, **form: str) -> None:
    """Make an album of one's own photos; a field that isn't named stays as the page fills it."""
    for name, value in form.items():
        lab_page.locator(f"#album-form [name={name}]").fill(value)
    lab_page.locator("#album-files").set_input_files(list(files))


def is_painted(picture: Locator) -> None:
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 0


def publication(api: Any, number: int = 0) -> Any:
    """Return what the server knows of the publication of the latest photo, or one before."""
    return api.get("/photos")["photos"][number]["publication"]


def test_by_keyboard_a_print_is_published_and_taken_back(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    where: dict[str, Any] = {"color_scheme": "dark", "timezone_id": "Asia/Kolkata"}
    where["reduced_motion"] = "reduce"
    with page(browser, empty_lab.url, NARROW, **where) as lab_page:
        expect(lab_page.locator("#says")).to_have_text("0 waiting, 0 in work, 0 developed.")
        hand_in(lab_page, photo_file(small_photo))
        expect(lab_page.locator("#says")).to_have_text("0 waiting, 0 in work, 1 developed.")
        is_painted(lab_page.locator(".print:visible"))

        tab_to(lab_page, "[aria-label='Publish mine.jpg …']")
        lab_page.keyboard.press("Enter")
        expect(lab_page.locator("#publish")).to_be_visible()
        expect(lab_page.locator("#publish .zone")).to_contain_text("Asia/")  # or Calcutta, to ICU
        expect_no_horizontal_scroll(lab_page)
        tab_to(lab_page, ".soon")
        lab_page.keyboard.press("Enter")
        planned = lab_page.locator("#scheduled li")
        expect(planned).to_contain_text("mine.jpg")
        expect(planned.locator(".when")).to_contain_text(" s")
        expect(lab_page.locator(".ribbon")).to_contain_text("in the window at ")
        expect_no_horizontal_scroll(lab_page)
        due = datetime.fromtimestamp(publication(api)["due"], UTC)
        assert timedelta(seconds=40) < due - datetime.now(UTC) < timedelta(minutes=1)

        tab_to(lab_page, "[aria-label='Take back mine.jpg']")
        lab_page.keyboard.press("Enter")
        expect(planned).to_have_count(0)
        expect(lab_page.locator("#scheduled-says")).to_contain_text("mine.jpg stays out")
        assert publication(api)["order"]["state"] == "REVOKED"

        lab_page.locator(".publish").click()
        due = (datetime.now(INDIA) + timedelta(seconds=2)).replace(microsecond=0)
        at = lab_page.locator("#publish input")
        at.fill(due.strftime("%Y-%m-%dT%H:%M:%S"))
        told = due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        expect(lab_page.locator("#publish .aware")).to_have_text(told)
        at.press("Enter")
        expect(lab_page.locator(".ribbon")).to_contain_text("in the window since ")
        expect(lab_page.locator(".publish")).to_be_hidden()
        assert publication(api)["due"] == due.timestamp()
        assert api.get("/photos")["photos"][0]["published"] >= due.timestamp()


@pytest.mark.slow
def test_an_album_with_a_broken_photo_gets_its_sheet_and_once_the_mail_server_is_willing_its_letter(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    with page(browser, empty_lab.url, NARROW, color_scheme="dark") as lab_page:
        takes = lab_page.locator("#moods [value=takes]")
        expect(takes).to_be_checked()
        takes.focus()
        lab_page.keyboard.press("ArrowDown")
        wait_until(lambda: api.get("/mail")["mood"] == "refuses", "the mail server to refuse")

        half = photo_file(small_photo[: len(small_photo) // 2], "half.jpg")
        make_album(lab_page, photo_file(small_photo), half, name="Rainy days")
        card = lab_page.locator("#album-list .card")
        expect(card.locator(".how")).to_have_text("3 of 4: mailing …")
        expect(card.locator(".whole")).to_have_js_property("value", 3)
        expect(card.locator(".whole")).to_have_js_property("max", 4)
        expect(card.locator(".notes")).to_contain_text("half.jpg can't be read")
        expect(card.locator(".notes")).to_contain_text("The letter was tried")
        expect(card.locator(".notes")).to_contain_text("451 4.3.2 Not now")
        is_painted(card.locator(".sheet img"))
        expect(lab_page.locator(LETTERS)).to_have_count(0)
        expect_no_horizontal_scroll(lab_page)

        lab_page.locator("#moods [value=refuses]").focus()
        lab_page.keyboard.press("ArrowUp")
        expect(card.locator(".how")).to_have_text(DONE, timeout=LONG)
        expect(lab_page.locator(LETTERS)).to_have_text(["Album: Rainy days"])
        letter = lab_page.locator("#letters .card")
        expect(letter).to_contain_text("Developed: 1. Could not be read: 1.")
        expect(letter.locator(".to")).to_contain_text("to you@photo-lab.example, ")
        is_painted(letter.locator(".sheet img"))
        expect(lab_page.locator("#mail-count")).to_have_text("1")
        expect_no_horizontal_scroll(lab_page)


@pytest.mark.slow
def test_six_samples_are_handed_in_by_mouse_and_become_prints(
    empty_lab: ChapterRun, browser: Browser
) -> None:
    with page(browser, empty_lab.url, WIDE, color_scheme="light") as lab_page:
        lab_page.locator("#samples").click()
        expect(lab_page.locator("#says")).to_have_text(
            "0 waiting, 0 in work, 6 developed.", timeout=LONG
        )
        expect(lab_page.locator(".print:visible")).to_have_count(6)
        for found in lab_page.locator(".print:visible").all():
            is_painted(found)
        names = lab_page.locator("#gallery .name").all_inner_texts()
        assert sorted(names) == [
            f"{name}.jpg" for name in ("aurora", "birches", "dunes", "lake", "ridges", "sunset")
        ]
        expect_no_horizontal_scroll(lab_page)


@pytest.mark.slow
def test_an_album_of_samples_shows_its_progress_and_becomes_a_zip_once_cancelled_once_made(
    empty_lab: ChapterRun, browser: Browser
) -> None:
    with page(browser, empty_lab.url, WIDE) as lab_page:
        lab_page.evaluate(WATCH)
        lab_page.locator("#album-broken").click()
        card = lab_page.locator("#album-list .card")
        expect(card.locator(".pack")).to_be_hidden()
        expect(card.locator(".how")).to_have_text(DONE, timeout=LONG)
        said = set(lab_page.evaluate("said"))
        assert sum(f"{done} of 8: developing …" in said for done in range(6)) > 2, said
        expect(card.locator(".dots li")).to_have_count(8)
        expect(card.locator(".notes li")).to_have_text(
            ["torn.jpg can't be read, so its field stays empty."]
        )
        is_painted(card.locator(".sheet img"))
        expect(lab_page.locator(LETTERS)).to_have_text(["Album: A week outdoors"])
        expect_no_horizontal_scroll(lab_page)

        card.locator(".pack").click()
        expect(card.locator(".packed")).to_have_text("packing 2 of 5 …", timeout=LONG)
        expect(card.locator(".zip progress")).to_have_js_property("max", 5)
        expect(card.locator(".pack")).to_be_hidden()
        card.locator(".cancel").click()
        expect(card.locator(".packed")).to_have_text("Packing was cancelled.", timeout=LONG)
        expect(card.locator(".download")).to_be_hidden()

        card.locator(".pack").click()
        expect(card.locator(".packed")).to_contain_text("Packed: 5 prints, ", timeout=LONG)
        said = set(lab_page.evaluate("said"))
        assert sum(f"packing {number} of 5 …" in said for number in range(1, 6)) > 2, said
        with lab_page.expect_download() as download:
            card.locator(".download").click()
        with ZipFile(download.value.path()) as archive:
            assert archive.namelist() == [f"{number:02}.png" for number in range(1, 6)]
        expect_no_horizontal_scroll(lab_page)


@pytest.mark.slow
def test_a_mail_server_that_denies_gets_the_letter_again_and_nobody_gets_none(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    with page(browser, empty_lab.url, WIDE) as lab_page:
        make_album(lab_page, photo_file(small_photo), name="Lost", email="nobody@example.com")
        card = lab_page.locator("#album-list .card")
        expect(card.locator(".how")).to_contain_text("Not finished. RefusedError: 550 5.1.1 Nobody")
        expect(card.locator(".again")).to_have_text("Order again")

        lab_page.locator("#moods [value=denies]").check()
        wait_until(lambda: api.get("/mail")["mood"] == "denies", "the mail server to deny")
        make_album(lab_page, photo_file(small_photo), name="Twice", email="you@example.com")
        expect(lab_page.locator(LETTERS)).to_have_text(["Album: Twice"])
        several = re.compile(r"came (twice|\d+ times)")
        expect(lab_page.locator("#letters .copies")).to_have_text(several, timeout=LONG)
        expect(card.first.locator(".how")).to_have_text("2 of 3: mailing …")
        lab_page.locator("#moods [value=takes]").check()
        expect(card.first.locator(".how")).to_have_text(DONE, timeout=LONG)
        expect(card.first.locator(".notes")).to_contain_text("The letter was tried ")
        expect(lab_page.locator(LETTERS)).to_have_text(["Album: Twice"])  # one letter, many copies

        first = api.get("/albums")["albums"][0]["orders"][-1]["id"]
        card.first.locator(".again").click()
        wait_until(
            lambda: api.get("/albums")["albums"][0]["orders"][-1]["id"] != first,
            "the album to be ordered again",
        )
        expect(card.first.locator(".how")).to_have_text(DONE, timeout=LONG)
        expect(card).to_have_count(2)


@pytest.mark.slow
def test_names_that_look_like_html_are_shown_as_they_are(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    long = "long" * 60 + ".jpg"
    with page(browser, empty_lab.url, NARROW) as lab_page:
        hand_in(lab_page, photo_file(small_photo, HTML), photo_file(small_photo, long))
        expect(lab_page.locator(".print:visible")).to_have_count(2)
        assert sorted(lab_page.locator("#gallery .name").all_inner_texts()) == [HTML, long]
        for button in lab_page.locator(".publish").all():
            button.click()
            expect(lab_page.locator("#publish-title")).to_contain_text("Publish ")
            expect_no_horizontal_scroll(lab_page)
            lab_page.locator("#publish .soon").click()
            expect(lab_page.locator("#publish")).to_be_hidden()
        expect(lab_page.locator("#scheduled li")).to_have_count(2)
        assert sorted(lab_page.locator("#scheduled .name").all_inner_texts()) == [HTML, long]

        half = photo_file(small_photo[: len(small_photo) // 2], HTML)
        make_album(lab_page, half, photo_file(small_photo, long), name=HTML)
        card = lab_page.locator("#album-list .card")
        expect(card.locator(".how")).to_have_text(DONE, timeout=LONG)
        expect(card.locator(".name")).to_have_text(HTML)
        expect(card.locator(".notes")).to_contain_text(HTML)
        expect(lab_page.locator(LETTERS)).to_have_text(f"Album: {HTML}")
        assert lab_page.evaluate("window.evil") is None
        expect_no_horizontal_scroll(lab_page)
        for number in range(2):
            back = api.delete(f"/tasks/{publication(api, number)['order']['id']}")
            assert back.status_code == 202


@pytest.mark.slow
def test_what_is_wrong_is_said_where_it_was_pressed(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    notes = photo_file(b"Not a photo at all.\n", "notes.jpg")
    refusal = "This is not a photo we can read. Send a JPEG, PNG or WebP file."
    with page(browser, empty_lab.url, WIDE, troubled=True) as lab_page:
        hand_in(lab_page, notes)
        refused = lab_page.locator("#gallery .card").filter(has_text="notes.jpg")
        expect(refused.locator(".state")).to_have_text(refusal)
        half = photo_file(small_photo[: len(small_photo) // 2], "half.jpg")
        hand_in(lab_page, photo_file(small_photo), half)
        failed = lab_page.locator("#gallery .card").filter(has_text="half.jpg")
        expect(lab_page.locator("#says")).to_contain_text("1 developed, 1 failed.")
        expect(failed).to_have_count(1)  # for a moment it is there twice: handed in, and listed
        expect(failed.locator(".state")).to_contain_text("truncated")

        lab_page.locator(".publish:visible").click()
        lab_page.locator("#publish input").fill("2001-01-01T10:00")
        lab_page.locator("#publish input").press("Enter")
        said = lab_page.locator("#publish .says")
        expect(said).to_have_text("This time is past, or more than a year away.")
        lab_page.keyboard.press("Escape")
        expect(lab_page.locator("#publish")).to_be_hidden()
        assert all(photo["publication"] is None for photo in api.get("/photos")["photos"])

        make_album(lab_page, photo_file(small_photo), notes)
        expect(lab_page.locator("#album-says")).to_have_text(f"notes.jpg: {refusal}")
        expect(lab_page.locator("#album-list .how")).to_have_text(DONE, timeout=LONG)
        make_album(lab_page, notes)
        expect(lab_page.locator("#album-says")).to_contain_text("This album is empty")
        make_album(lab_page, photo_file(small_photo), email="you@exa!mple")
        assert lab_page.evaluate("document.querySelector('[name=email]').validity.valid") is False
        assert len(api.get("/albums")["albums"]) == 2, "what the browser refuses isn't sent"
        make_album(lab_page, photo_file(small_photo), email="you&me@example.com")
        expect(lab_page.locator("#album-says")).to_contain_text("'email' is an address")


@pytest.mark.slow
def test_a_server_that_stops_is_said_and_the_page_recovers(
    empty_lab: ChapterRun, browser: Browser, run: Callable[..., str], small_photo: bytes
) -> None:
    # A worker that holds tasks for later dies as its connection to Redis breaks: take them away.
    empty_lab.stop("worker")
    run("celery -A make_celery purge --force")
    empty_lab.start("worker")
    with page(browser, empty_lab.url, WIDE, troubled=True) as lab_page:
        hand_in(lab_page, photo_file(small_photo))
        expect(lab_page.locator(".print:visible")).to_have_count(1)
        trouble = lab_page.locator("#trouble")
        expect(trouble).to_be_hidden()

        empty_lab.stop("broker")
        expect(trouble).to_contain_text("The result backend is away")
        hand_in(lab_page, photo_file(small_photo, "second.jpg"))
        second = lab_page.locator(".card").filter(has_text="second.jpg")
        expect(second.locator(".state")).to_contain_text("Your order wasn't taken: try again")
        make_album(lab_page, photo_file(small_photo), photo_file(small_photo), name="Early")
        expect(lab_page.locator("#album-says")).to_contain_text(
            "Your order wasn't taken: try again"
        )

        empty_lab.stop("web")
        expect(trouble).to_have_text(AWAY)
        hand_in(lab_page, photo_file(small_photo, "third.jpg"))
        third = lab_page.locator(".card").filter(has_text="third.jpg")
        expect(third.locator(".state")).to_have_text(AWAY)
        lab_page.locator("#samples").click()
        expect(lab_page.locator("#in-says")).to_have_text(AWAY)
        lab_page.locator("#album-samples").click()
        expect(lab_page.locator("#album-says")).to_have_text(AWAY)
        lab_page.locator("#moods [value=refuses]").check()
        expect(lab_page.locator("#mood-says")).to_have_text(AWAY)

        empty_lab.start_all()
        expect(trouble).to_be_hidden()
        expect(lab_page.locator("#moods [value=takes]")).to_be_checked()
        expect(lab_page.locator(".print:visible")).to_have_count(1)
        early = lab_page.locator("#album-list .card")
        expect(early.locator(".how")).to_have_text("not ordered yet")
        early.locator(".again").click()
        expect(early.locator(".how")).to_have_text(DONE, timeout=LONG)


@pytest.mark.slow
def test_a_page_that_is_opened_later_shows_what_there_is(
    empty_lab: ChapterRun,
    browser: Browser,
    api: Any,
    run: Callable[..., str],
    small_photo: bytes,
) -> None:
    for name in ("published.jpg", "planned.jpg"):
        api.developed(small_photo, name)
    soon, later = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (1, 7200))
    planned, published = api.get("/photos")["photos"]
    api.until(api.accepted(api.post(published["publish"], at=soon.isoformat())))
    back = api.accepted(api.post(planned["publish"], at=later.isoformat()))
    api.ordered(small_photo, name="Before you came")
    run("celery -A make_celery call tasks.count")
    wait_until(lambda: api.get("/diary")["entries"], "the statistics to be in the diary")

    with page(browser, empty_lab.url, WIDE) as lab_page:
        expect(lab_page.locator("#gallery .name")).to_have_text(["planned.jpg", "published.jpg"])
        ribbons = lab_page.locator(".ribbon")
        expect(ribbons.first).to_contain_text("in the window at")
        expect(ribbons.last).to_contain_text("in the window since")
        expect(lab_page.locator("#scheduled .name")).to_have_text(["planned.jpg"])
        expect(lab_page.locator("#scheduled .when")).to_contain_text(", in 2 h")
        card = lab_page.locator("#album-list .card")
        expect(card.locator(".name")).to_have_text("Before you came")
        expect(card.locator(".how")).to_have_text(DONE)
        is_painted(card.locator(".sheet img"))
        expect(lab_page.locator(LETTERS)).to_have_text(["Album: Before you came"])
        expect(lab_page.locator("#schedule .name")).to_have_text(
            ["statistics", "clean-up", "report"]
        )
        expect(lab_page.locator("#schedule .when").last).to_contain_text("30 7 * * *")
        expect(lab_page.locator("#timezone")).to_have_text("UTC")
        expect(lab_page.locator("#diary .said").last).to_contain_text("3 photos developed")
        lab_page.locator("#scheduled .back").click()
        expect(lab_page.locator("#scheduled li")).to_have_count(0)
        assert api.get(back)["state"] == "REVOKED"


@pytest.mark.slow
def test_an_album_that_nobody_works_on_seems_stuck_after_a_while_and_can_be_ordered_again(
    empty_lab: ChapterRun, browser: Browser, small_photo: bytes
) -> None:
    empty_lab.stop("worker")
    opened = browser.new_page(viewport=WIDE)
    with closing(opened):
        opened.clock.install()
        opened.goto(empty_lab.url)
        make_album(opened, photo_file(small_photo))
        card = opened.locator("#album-list .card")
        expect(card.locator(".how")).to_have_text("waiting in the queue …")
        expect(card.locator(".again")).to_be_hidden()

        def seems_stuck() -> bool:
            opened.clock.fast_forward(16_000)
            return "Is a worker running?" in card.locator(".notes").inner_text()

        wait_until(seems_stuck, "the page to say that nothing moves")
        expect(card.locator(".again")).to_be_visible()
        empty_lab.start("worker")
        expect(card.locator(".how")).to_have_text(DONE, timeout=LONG)
        expect(card.locator(".notes")).to_have_text("")
