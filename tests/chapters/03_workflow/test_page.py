"""Chapter 3's page in a real browser: pressed, watched, wide and narrow."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

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
AWAY = "The server doesn't answer. Is it still running?"
HTML = "<img src=x onerror='window.evil = 1'>"
INDIA = timezone(timedelta(hours=5, minutes=30))  # a clock that is neither the server's nor whole


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def empty_lab(lab: ChapterRun, client: httpx.Client) -> ChapterRun:
    """Use a lab to which nobody has uploaded anything, and whose mailbox is empty."""
    with closing(sqlite3.connect(lab.folder / "lab/lab.sqlite", timeout=10)) as database, database:
        for table in ("order", "photo", "letter", "diary_entry"):
            database.execute(f'delete from "{table}"')
    for name in ("photos", "prints"):
        shutil.rmtree(lab.folder / "lab" / name, ignore_errors=True)
    for letter in (lab.folder / "lab/mail").glob("new/*"):
        letter.unlink()
    assert client.get(f"{lab.url}/photos").json() == {"photos": []}
    return lab


def upload(lab_page: Page, *files: FilePayload) -> None:
    lab_page.locator("#files").set_input_files(list(files))


def expect_painted(picture: Locator) -> None:
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 0


def send_letter(lab_page: Page, email: str = "") -> None:
    """Order a letter with the first print, to the address in the dialog or another one."""
    lab_page.locator("button.write:visible").first.click()
    if email:
        lab_page.locator("#write input").fill(email)
    lab_page.locator("#write form button").first.click()


def last_order(api: Any, task: str) -> Any:
    return api.get("/photos")["photos"][0]["orders"][task]


def test_by_keyboard_a_print_is_published_and_cancelled(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    where: dict[str, Any] = {"color_scheme": "dark", "timezone_id": "Asia/Kolkata"}
    where["reduced_motion"] = "reduce"
    with page(browser, empty_lab.url, NARROW, **where) as lab_page:
        upload(lab_page, photo_file(small_photo))
        expect(lab_page.locator("#says")).to_have_text(
            "0 waiting, 0 in work, 1 developed.", timeout=LONG
        )
        expect_painted(lab_page.locator(".print:visible"))

        tab_to(lab_page, "[aria-label='Publish mine.jpg …']")
        lab_page.keyboard.press("Enter")
        expect(lab_page.locator("#publish .zone")).to_contain_text("Asia/")  # or Calcutta, to ICU
        expect_no_horizontal_scroll(lab_page)
        tab_to(lab_page, ".soon")
        lab_page.keyboard.press("Enter")
        planned = lab_page.locator("#scheduled li")
        expect(planned).to_contain_text("mine.jpg")
        expect(lab_page.locator(".ribbon")).to_contain_text("to be published ")
        due = datetime.fromtimestamp(last_order(api, "tasks.publish")["due_at"], UTC)
        assert timedelta(seconds=30) < due - datetime.now(UTC) < timedelta(minutes=1)

        tab_to(lab_page, "[aria-label='Cancel mine.jpg']")
        lab_page.keyboard.press("Enter")
        expect(planned).to_have_count(0)
        expect(lab_page.locator("#scheduled-says")).to_have_text(
            "Cancelled: mine.jpg is not published."
        )
        assert last_order(api, "tasks.publish")["state"] == "REVOKED"


@pytest.mark.slow
def test_a_time_is_by_the_visitors_clock(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    api.developed(small_photo)
    with page(browser, empty_lab.url, WIDE, timezone_id="Asia/Kolkata") as lab_page:
        lab_page.locator("button.publish:visible").click()
        due = (datetime.now(INDIA) + timedelta(seconds=4)).replace(microsecond=0)
        at = lab_page.locator("#publish input")
        at.fill(due.strftime("%Y-%m-%dT%H:%M:%S"))
        told = due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        expect(lab_page.locator("#publish .aware")).to_have_text(told)
        at.press("Enter")
        expect(lab_page.locator(".ribbon")).to_contain_text(re.compile("^published "), timeout=LONG)
        assert last_order(api, "tasks.publish")["due_at"] == due.timestamp()


@pytest.mark.slow
@pytest.mark.parametrize("size", [WIDE, {"width": 390, "height": 844}], ids=["wide", "narrow"])
def test_the_mail_servers_behaviour_and_the_letters_are_in_sight_together(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes, size: Any
) -> None:
    photo = api.developed(small_photo)
    api.until(api.write(photo, "you@example.com"), "SUCCESS")
    with page(browser, empty_lab.url, size) as lab_page:
        expect(lab_page.locator("#letters .subject")).to_have_text(["Your print: photo.jpg"])
        lab_page.locator("#mail").evaluate("section => section.scrollIntoView()")
        expect(lab_page.locator("#behaviours label").first).to_be_in_viewport(ratio=1)
        expect(lab_page.locator("#letters .card").first).to_be_in_viewport(ratio=1)
        expect_painted(lab_page.locator("#letters img"))
        expect_no_horizontal_scroll(lab_page)


@pytest.mark.slow
def test_a_letter_is_refused_for_a_while_then_arrives_several_times(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    api.developed(small_photo)
    with page(browser, empty_lab.url, WIDE) as lab_page:
        lab_page.locator("#behaviours [value=refuses]").check()
        wait_until(lambda: api.get("/mail")["behaviour"] == "refuses", "the server to refuse")
        send_letter(lab_page)
        how = lab_page.locator("#sending .how")
        expect(how).to_have_text(
            "BusyError: 451 4.3.2 Try again later. It will be tried again.", timeout=LONG
        )
        expect(lab_page.locator("#letters .card")).to_have_count(0)

        lab_page.locator("#behaviours [value='accepts and denies']").check()
        several = re.compile(r"came (twice|\d+ times)")
        expect(lab_page.locator("#letters .copies")).to_have_text(several, timeout=LONG)
        lab_page.locator("#behaviours [value=accepts]").check()
        expect(how).to_have_count(0, timeout=LONG)
        expect(lab_page.locator("#letters .card")).to_have_count(1)
        expect(lab_page.locator("#mail-count")).to_have_text("1")


@pytest.mark.slow
def test_a_letter_to_nobody_fails_and_says_why(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    api.developed(small_photo)
    with page(browser, empty_lab.url, WIDE, troubled=True) as lab_page:
        send_letter(lab_page, "you@localhost")
        expect(lab_page.locator("#write .says")).to_contain_text("'email' is an e-mail address")
        lab_page.keyboard.press("Escape")
        send_letter(lab_page, "nobody@photo-lab.example")
        expect(lab_page.locator("#sending .how")).to_have_text(
            "RefusedError: 550 5.1.1 There is no such mailbox", timeout=LONG
        )
        expect(lab_page.locator("#sending .cancel")).to_be_hidden()


@pytest.mark.slow
def test_six_samples_are_uploaded_by_mouse_and_become_prints(
    empty_lab: ChapterRun, browser: Browser
) -> None:
    with page(browser, empty_lab.url, WIDE, color_scheme="light") as lab_page:
        lab_page.locator("#samples").click()
        expect(lab_page.locator("#says")).to_have_text(
            "0 waiting, 0 in work, 6 developed.", timeout=2 * LONG
        )
        expect(lab_page.locator(".print:visible")).to_have_count(6)
        for found in lab_page.locator(".print:visible").all():
            expect_painted(found)
        names = lab_page.locator("#gallery .name").all_inner_texts()
        assert sorted(names) == [
            f"{name}.jpg" for name in ("aurora", "birches", "dunes", "lake", "ridges", "sunset")
        ]
        expect_no_horizontal_scroll(lab_page)


@pytest.mark.slow
def test_the_page_asks_for_a_few_orders_and_less_often_while_nothing_moves(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    with api.no_worker():
        for _ in range(5):
            api.accepted(api.upload(small_photo))
        with page(browser, empty_lab.url, WIDE) as lab_page:
            asked: list[str] = []
            lab_page.on("request", lambda request: asked.append(request.url))
            expect(lab_page.locator("#says")).to_have_text("5 waiting, 0 in work, 0 developed.")
            lab_page.wait_for_timeout(6000)  # the page's own pace is what is tested
        statuses = [url for url in asked if "/tasks/" in url]
        assert 3 <= len(set(statuses)) <= 4, "the next few, not all five"
        assert len(statuses) < 3 * 10
        assert len([url for url in asked if url.endswith("/photos")]) <= 3


@pytest.mark.slow
def test_names_that_look_like_html_are_shown_as_they_are(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    long = "long" * 60 + ".jpg"
    for name in (HTML, long):
        api.developed(small_photo, name)
    with page(browser, empty_lab.url, NARROW) as lab_page:
        expect(lab_page.locator(".print:visible")).to_have_count(2)
        assert sorted(lab_page.locator("#gallery .name").all_inner_texts()) == [HTML, long]
        for button in lab_page.locator("button.publish").all():
            button.click()
            expect_no_horizontal_scroll(lab_page)
            lab_page.locator("#publish .soon").click()
            expect(lab_page.locator("#publish")).to_be_hidden()
        expect(lab_page.locator("#scheduled li")).to_have_count(2)
        send_letter(lab_page)
        expect(lab_page.locator("#letters .subject")).to_have_count(1, timeout=LONG)
        assert lab_page.evaluate("window.evil") is None
        expect_no_horizontal_scroll(lab_page)
    for photo in api.get("/photos")["photos"]:
        api.cancel(f"/tasks/{photo['orders']['tasks.publish']['id']}")


@pytest.mark.slow
def test_what_is_wrong_is_said_where_it_was_pressed(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    with page(browser, empty_lab.url, WIDE, troubled=True) as lab_page:
        upload(lab_page, photo_file(b"Not a photo at all.\n", "notes.jpg"))
        refused = lab_page.locator("#gallery .card").filter(has_text="notes.jpg")
        expect(refused.locator(".state")).to_have_text(
            "This is not a photo we can read. Send a JPEG, PNG or WebP file."
        )
        half = photo_file(small_photo[: len(small_photo) // 2], "half.jpg")
        upload(lab_page, photo_file(small_photo), half)
        expect(lab_page.locator("#says")).to_contain_text("1 developed, 1 failed.", timeout=LONG)
        failed = lab_page.locator("#gallery .card").filter(has_text="half.jpg")
        expect(failed.locator(".state")).to_contain_text("can't be read")

        lab_page.locator("button.publish:visible").click()
        lab_page.locator("#publish input").fill("2001-01-01T10:00")
        lab_page.locator("#publish input").press("Enter")
        said = lab_page.locator("#publish .says")
        expect(said).to_have_text("This time is past, or more than a year away.")
        lab_page.keyboard.press("Escape")
        expect(lab_page.locator("#publish")).to_be_hidden()


@pytest.mark.slow
def test_a_server_that_stops_is_said_and_the_page_recovers(
    empty_lab: ChapterRun, browser: Browser, run: Callable[..., str], small_photo: bytes
) -> None:
    # A worker that holds tasks for later dies as its connection to Redis breaks: take them away.
    empty_lab.stop("worker")
    run("celery -A make_celery purge --force")
    empty_lab.start("worker")
    with page(browser, empty_lab.url, WIDE, troubled=True) as lab_page:
        upload(lab_page, photo_file(small_photo))
        expect(lab_page.locator(".print:visible")).to_have_count(1, timeout=LONG)
        trouble = lab_page.locator("#trouble")
        expect(trouble).to_be_hidden()

        empty_lab.stop("broker")
        expect(trouble).to_contain_text("The result backend doesn't answer", timeout=LONG)
        upload(lab_page, photo_file(small_photo, "second.jpg"))
        second = lab_page.locator(".card").filter(has_text="second.jpg")
        expect(second.locator(".state")).to_contain_text("Your order wasn't taken: try again")

        empty_lab.stop("web")
        expect(trouble).to_have_text(AWAY, timeout=LONG)
        lab_page.locator("#samples").click()
        expect(lab_page.locator("#in-says")).to_have_text(AWAY)
        lab_page.locator("#behaviours [value=refuses]").check()
        expect(lab_page.locator("#behaviour-says")).to_have_text(AWAY)

        empty_lab.start_all()
        expect(trouble).to_be_hidden(timeout=LONG)
        expect(lab_page.locator("#behaviours [value=accepts]")).to_be_checked()
        expect(lab_page.locator(".print:visible")).to_have_count(1)


@pytest.mark.slow
def test_a_page_that_is_opened_later_shows_what_there_is(
    empty_lab: ChapterRun, browser: Browser, api: Any, run: Callable[..., str], small_photo: bytes
) -> None:
    published, planned = (api.developed(small_photo, name) for name in ("one.jpg", "two.jpg"))
    soon, later = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (1, 7200))
    api.until(api.publish(published, soon))
    order = api.publish(planned, later)
    run("celery -A make_celery call tasks.count")
    wait_until(lambda: api.get("/diary")["entries"], "the statistics to be in the diary")

    with page(browser, empty_lab.url, WIDE) as lab_page:
        expect(lab_page.locator("#gallery .name")).to_have_text(["two.jpg", "one.jpg"])
        ribbons = lab_page.locator(".ribbon")
        expect(ribbons.first).to_contain_text("to be published ")
        expect(ribbons.last).to_contain_text(re.compile("^published "))
        expect(lab_page.locator("#scheduled .name")).to_have_text(["two.jpg"])
        expect(lab_page.locator("#scheduled .when")).to_contain_text(", in 2 h")
        plans = ["every minute", "each hour at minute 15", "each day at 07:30"]
        expect(lab_page.locator("#schedule .when")).to_have_text(plans)
        expect(lab_page.locator("#diary .text").last).to_contain_text("Photos developed: 2")
        lab_page.locator("#scheduled .cancel").click()
        expect(lab_page.locator("#scheduled li")).to_have_count(0)
    assert api.get(order)["state"] == "REVOKED"


@pytest.mark.slow
def test_after_a_standstill_the_page_says_what_to_do(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    opened = browser.new_page(viewport=WIDE)
    with closing(opened), api.no_worker():
        api.accepted(api.upload(small_photo))
        opened.clock.install()
        opened.goto(empty_lab.url)
        expect(opened.locator(".state")).to_have_text("waiting …")
        trouble = opened.locator("#trouble")

        def says_what_to_do() -> bool:
            opened.clock.fast_forward(16_000)
            return "start worker, or make doctor" in trouble.inner_text()

        wait_until(says_what_to_do, "the page to say that nothing moves", 30)
        assert "Nothing has moved for " in trouble.inner_text()
