"""Chapter 4's page in a real browser: pressed, watched, wide and narrow."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from zipfile import ZipFile

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

LONG = 90_000  # ms
NO_ANSWER = "The server doesn't answer. Is it still running?"
DONE = "Published: developed, laid out, published."
CANCELLED = "Cancelled. A photo that is in work is finished; nothing else is begun."
HTML = "<img src=x onerror='window.evil = 1'>"

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
def empty_lab(lab: ChapterRun, api: Any) -> ChapterRun:
    """Use a lab that nobody has brought anything to."""
    with closing(sqlite3.connect(lab.folder / "lab/lab.sqlite", timeout=10)) as database, database:
        for table in ("order", "photo", "album"):
            database.execute(f'delete from "{table}"')
    for name in ("photos", "prints", "albums"):
        shutil.rmtree(lab.folder / "lab" / name, ignore_errors=True)
    assert api.get("/albums") == {"albums": []}
    return lab


def make_album(lab_page: Page, *files: FilePayload, name: str = "Mine") -> None:
    """Make an album of one's own photos."""
    lab_page.locator("[name=name]").fill(name)
    lab_page.locator("#files").set_input_files(list(files))


def expect_painted(picture: Locator) -> None:
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 0


def test_by_keyboard_an_album_is_made_and_published_on_a_narrow_dark_page(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    with page(
        browser, empty_lab.url, NARROW, color_scheme="dark", reduced_motion="reduce"
    ) as lab_page:
        expect(lab_page.locator("#albums .card")).to_have_count(0)
        half = photo_file(small_photo[: len(small_photo) // 2], "half.jpg")
        make_album(lab_page, photo_file(small_photo), half, name="Rainy days")
        card = lab_page.locator("#albums .card")
        expect(card.locator(".how")).to_have_text(DONE, timeout=LONG)
        expect(card.locator(".name")).to_have_text("Rainy days, 2 photos")
        expect(card.locator(".whole")).to_have_js_property("value", 4)
        expect(card.locator(".parts li")).to_have_text(
            [
                " mine.jpg done",
                " half.jpg can't be read",
                " contact sheet done",
                " publication done",
            ]
        )
        expect_painted(card.locator(".sheet img"))
        expect_no_horizontal_scroll(lab_page)

        first = api.get("/albums")["albums"][0]["result"]
        tab_to(lab_page, ".again")
        lab_page.keyboard.press("Enter")
        wait_until(
            lambda: api.get("/albums")["albums"][0]["result"] not in (None, first),
            "the album to be published again",
            60,
        )
        expect(card).to_have_count(1)


@pytest.mark.slow
def test_a_sheet_of_few_photos_is_shown_whole(
    empty_lab: ChapterRun, browser: Browser, small_photo: bytes
) -> None:
    with page(browser, empty_lab.url, WIDE) as lab_page:
        for number in (2, 4):
            make_album(lab_page, *[photo_file(small_photo)] * number, name=f"{number}")
            card = lab_page.locator("#albums .card", has_text=f"{number}, {number} photos")
            expect(card.locator(".how")).to_have_text(DONE, timeout=LONG)
            image = card.locator(".sheet img")
            expect_painted(image)
            box = image.evaluate(
                "i => [i.clientWidth / i.clientHeight, i.naturalWidth / i.naturalHeight]"
            )
            assert abs(box[0] - box[1]) < 0.05, "it isn't cropped"


@pytest.mark.slow
def test_an_album_of_samples_shows_its_progress_and_becomes_a_zip_once_cancelled_once_made(
    empty_lab: ChapterRun, browser: Browser
) -> None:
    with page(browser, empty_lab.url, WIDE) as lab_page:
        lab_page.evaluate(WATCH)
        lab_page.locator("#album-broken").click()
        card = lab_page.locator("#albums .card")
        expect(card.locator(".pack")).to_be_hidden()
        expect(card.locator(".how")).to_have_text(DONE, timeout=LONG)
        said = set(lab_page.evaluate("said"))
        assert sum(f"{done} of 8 tasks done …" in said for done in range(8)) > 2, said
        expect(card.locator(".parts .failure")).to_have_text([" torn.jpg can't be read"])
        expect_painted(card.locator(".sheet img"))

        card.locator(".pack").click()
        expect(card.locator(".packed")).to_have_text(re.compile("packing [2-5] of 5"), timeout=LONG)
        expect(card.locator(".pack")).to_be_hidden()
        card.locator(".cancel-packing").click()
        expect(card.locator(".packed")).to_have_text("Packing was cancelled.", timeout=LONG)
        expect(card.locator(".download")).to_be_hidden()

        card.locator(".pack").click()
        expect(card.locator(".packed")).to_contain_text("Packed: 5 prints, ", timeout=LONG)
        with lab_page.expect_download() as download:
            card.locator(".download").click()
        with ZipFile(download.value.path()) as archive:
            assert archive.namelist() == [f"{number:02}.png" for number in range(1, 6)]
        expect_no_horizontal_scroll(lab_page)


@pytest.mark.slow
def test_an_album_is_cancelled_and_ordered_again(empty_lab: ChapterRun, browser: Browser) -> None:
    with page(browser, empty_lab.url, WIDE) as lab_page:
        lab_page.locator("#album-samples").click()
        card = lab_page.locator("#albums .card")
        expect(card.locator(".parts .started")).not_to_have_count(0, timeout=LONG)
        card.locator(".cancel").click()
        expect(card.locator(".how")).to_have_text(CANCELLED, timeout=LONG)
        expect(card.locator(".cancel")).to_be_hidden()
        expect(card.locator(".parts .revoked")).not_to_have_count(0)
        expect(card.locator(".parts .started")).to_have_count(0, timeout=LONG)

        card.locator(".again").click()
        expect(card.locator(".how")).to_have_text(DONE, timeout=LONG)
        expect(card.locator(".parts .success")).to_have_count(8)


@pytest.mark.slow
def test_names_that_look_like_html_are_shown_as_they_are(
    empty_lab: ChapterRun, browser: Browser, small_photo: bytes
) -> None:
    long = "long" * 60 + ".jpg"
    with page(browser, empty_lab.url, NARROW) as lab_page:
        half = photo_file(small_photo[: len(small_photo) // 2], HTML)
        make_album(lab_page, half, photo_file(small_photo, long), name=HTML)
        card = lab_page.locator("#albums .card")
        expect(card.locator(".how")).to_have_text(DONE, timeout=LONG)
        expect(card.locator(".name")).to_have_text(f"{HTML}, 2 photos")
        expect(card.locator(".parts .what").first).to_have_text(HTML)
        assert lab_page.evaluate("window.evil") is None
        expect_no_horizontal_scroll(lab_page)


@pytest.mark.slow
def test_what_is_wrong_is_said_where_it_was_pressed(
    empty_lab: ChapterRun, browser: Browser, small_photo: bytes
) -> None:
    notes = photo_file(b"Not a photo at all.\n", "notes.jpg")
    refusal = "This is not a photo we can read. Send a JPEG, PNG or WebP file."
    with page(browser, empty_lab.url, WIDE, troubled=True) as lab_page:
        make_album(lab_page, photo_file(small_photo), notes)
        expect(lab_page.locator("#album-says")).to_have_text(f"notes.jpg: {refusal}")
        expect(lab_page.locator(".how")).to_have_text(DONE, timeout=LONG)
        make_album(lab_page, notes)
        expect(lab_page.locator("#album-says")).to_contain_text("This album is empty")
        make_album(lab_page, photo_file(small_photo), name="")
        assert lab_page.evaluate("document.querySelector('[name=name]').validity.valid") is False
        expect(lab_page.locator("#albums .card")).to_have_count(2)


@pytest.mark.slow
def test_a_server_that_stops_is_said_and_the_page_recovers(
    empty_lab: ChapterRun, browser: Browser, small_photo: bytes
) -> None:
    with page(browser, empty_lab.url, WIDE, troubled=True) as lab_page:
        make_album(lab_page, photo_file(small_photo))
        expect(lab_page.locator(".how")).to_have_text(DONE, timeout=LONG)
        trouble = lab_page.locator("#trouble")
        expect(trouble).to_be_hidden()

        empty_lab.stop("broker")
        expect(trouble).to_contain_text("The result backend doesn't answer", timeout=LONG)
        make_album(lab_page, photo_file(small_photo), name="Early")
        expect(lab_page.locator("#album-says")).to_contain_text("Your order wasn't taken")
        empty_lab.stop("web")
        expect(trouble).to_have_text(NO_ANSWER, timeout=LONG)
        lab_page.locator("#album-samples").click()
        expect(lab_page.locator("#album-says")).to_have_text(NO_ANSWER)

        empty_lab.start_all()
        expect(trouble).to_be_hidden(timeout=LONG)
        early = lab_page.locator("#albums .card").first
        expect(early.locator(".how")).to_have_text("not ordered yet", timeout=LONG)
        early.locator(".again").click()
        expect(early.locator(".how")).to_have_text(DONE, timeout=LONG)


@pytest.mark.slow
def test_a_page_that_is_opened_later_shows_what_there_is(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    album = api.published(small_photo, name="Before you came")
    api.until(api.pack(f"/albums/{album['id']}"), "SUCCESS")
    with page(browser, empty_lab.url, WIDE) as lab_page:
        card = lab_page.locator("#albums .card")
        expect(card.locator(".name")).to_have_text("Before you came, 1 photo")
        expect(card.locator(".how")).to_have_text(DONE)
        expect(card.locator(".packed")).to_contain_text("Packed: 1 print, ")
        expect(card.locator(".download")).to_be_visible()
        expect_painted(card.locator(".sheet img"))


@pytest.mark.slow
def test_an_album_of_which_nothing_moves_says_what_to_do_and_can_be_ordered_again(
    empty_lab: ChapterRun, browser: Browser, small_photo: bytes
) -> None:
    empty_lab.stop("worker")
    opened = browser.new_page(viewport=WIDE)
    with closing(opened):
        opened.clock.install()
        opened.goto(empty_lab.url)
        make_album(opened, photo_file(small_photo))
        card = opened.locator("#albums .card")
        expect(card.locator(".how")).to_have_text("waiting for a worker …")
        expect(card.locator(".again")).to_be_hidden()

        def says_so() -> bool:
            opened.clock.fast_forward(16_000)
            return card.locator(".stale").is_visible()

        wait_until(says_so, "the page to say that nothing moves", 40)
        expect(card.locator(".stale")).to_contain_text("python -m workbench start worker")
        expect(card.locator(".again")).to_be_visible()
        empty_lab.start("worker")
        opened.clock.resume()

        def done() -> bool:
            opened.clock.fast_forward(6_000)
            return card.locator(".how").inner_text() == DONE

        wait_until(done, "the album to be published", 60)
        expect(card.locator(".stale")).to_be_hidden()


@pytest.mark.slow
def test_the_page_asks_less_often_while_nothing_moves(
    empty_lab: ChapterRun, browser: Browser, api: Any, small_photo: bytes
) -> None:
    """Three states of one album, then a pause that grows; the list every five seconds."""
    empty_lab.stop("worker")
    api.order(api.new_album(small_photo))
    opened = browser.new_page(viewport=WIDE)
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url.removeprefix(empty_lab.url)))
    with closing(opened):
        opened.goto(empty_lab.url)
        expect(opened.locator(".how")).to_have_text("waiting for a worker …")
        opened.wait_for_timeout(12_000)  # what is measured is time
    lists = asked.count("/albums")
    states = sum(path.startswith("/albums/") for path in asked)
    assert 2 <= lists <= 5, asked
    assert 4 <= states <= 12, asked
