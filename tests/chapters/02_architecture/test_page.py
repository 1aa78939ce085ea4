"""Chapter 2's page in a real browser: pressed, watched, wide and narrow."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, Page, ViewportSize, expect

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

expect.set_options(timeout=30_000)  # ms: the page asks every five seconds while nothing changes
NO_ANSWER = "The server doesn't answer. Is it still running?"
HALF = "half.jpg"

WATCH = """() => {  // notes each sentence that a card shows, and each count in the four boxes
  window.said = [];
  const note = () => {
    for (const state of document.querySelectorAll(".card .state")) said.push(state.textContent);
    for (const box of document.querySelectorAll(".parts li"))
      said.push(`${box.id} ${box.querySelector("output").value}`);
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
    """Use a lab without photos."""
    with closing(sqlite3.connect(lab.folder / "lab/lab.sqlite")) as database, database:
        database.execute('delete from "order"')
        database.execute("delete from photo")
    for name in ("photos", "prints"):
        shutil.rmtree(lab.folder / "lab" / name, ignore_errors=True)
    assert client.get(f"{lab.url}/photos").json() == {"photos": []}
    return lab


def upload(lab_page: Page, *files: FilePayload) -> None:
    lab_page.locator("#files").set_input_files(list(files))


def counts(lab_page: Page) -> list[str]:
    """Return what the boxes of the four parts say."""
    return lab_page.locator(".parts output").all_inner_texts()


@pytest.mark.slow  # chapter 3's page is opened each time, and does the same
@pytest.mark.parametrize(
    ("size", "scheme", "by_keyboard"),
    [
        pytest.param(WIDE, "light", False, id="wide"),
        pytest.param(NARROW, "dark", True, id="narrow-by-keyboard"),
    ],
)
def test_six_sample_photos_pass_through_the_parts_and_become_prints(
    empty_lab: ChapterRun, browser: Browser, size: ViewportSize, scheme: str, by_keyboard: bool
) -> None:
    with page(browser, empty_lab.url, size, color_scheme=scheme) as lab_page:
        expect(lab_page.locator("#says")).to_have_text("0 not begun, 0 in work, 0 developed.")
        lab_page.evaluate(WATCH)
        if by_keyboard:
            tab_to(lab_page, "#samples")
            lab_page.keyboard.press("Enter")
        else:
            lab_page.locator("#samples").click()
        expect(lab_page.locator(".card")).to_have_count(6)
        expect_no_horizontal_scroll(lab_page)
        expect(lab_page.locator("#says")).to_have_text(
            "0 not begun, 0 in work, 6 developed.", timeout=90_000
        )
        assert counts(lab_page) == ["0", "0", "0", "6"]
        expect(lab_page.locator("#backend .dots i")).to_have_count(6)

        said = set(lab_page.evaluate("said"))
        assert {"uploading …", "sent, not begun …", "being developed …"} <= said
        for part in ("broker", "worker", "backend"):
            assert any(f"{part} {count}" in said for count in range(1, 7)), f"seen in the {part}"

        prints = lab_page.locator(".card .print")
        expect(prints).to_have_count(6)
        for found in prints.all():
            found.scroll_into_view_if_needed()
            expect(found).to_have_js_property("complete", True)
            assert found.evaluate("image => image.naturalWidth") > 0
        names = lab_page.locator(".card .name").all_inner_texts()
        assert sorted(names) == [
            f"{name}.jpg" for name in ("aurora", "birches", "dunes", "lake", "ridges", "sunset")
        ]
        for work in lab_page.locator(".card .time").all_inner_texts():
            assert work.endswith(" s of work")
        expect(lab_page.locator("#samples")).to_be_enabled()
        expect_no_horizontal_scroll(lab_page)


@pytest.mark.slow
def test_own_photos_are_developed_whatever_their_names(
    empty_lab: ChapterRun, browser: Browser, small_photo: bytes
) -> None:
    names = ["mine.jpg", "<img src=x onerror='window.evil = 1'>", "long" * 60 + ".jpg"]
    with page(browser, empty_lab.url, NARROW) as lab_page:
        upload(lab_page, *(photo_file(small_photo, name) for name in names))
        expect(lab_page.locator(".card .print")).to_have_count(3)
        assert sorted(lab_page.locator(".card .name").all_inner_texts()) == sorted(names)
        assert lab_page.evaluate("window.evil") is None
        expect_no_horizontal_scroll(lab_page)
        upload(lab_page, photo_file(small_photo))
        expect(lab_page.locator(".card .print")).to_have_count(4)  # the same file once more


def test_what_cant_be_developed_is_said_in_words(
    empty_lab: ChapterRun, browser: Browser, small_photo: bytes
) -> None:
    with page(browser, empty_lab.url, WIDE, troubled=True) as lab_page:
        upload(
            lab_page,
            photo_file(small_photo),
            photo_file(small_photo[: len(small_photo) // 2], HALF),
            photo_file(b"Not a photo at all.\n", "notes.jpg"),
        )
        expect(lab_page.locator("#says")).to_have_text(
            "0 not begun, 0 in work, 1 developed, 1 failed."
        )
        card = lab_page.locator(".card")
        refused = card.filter(has_text="notes.jpg")
        expect(refused.locator(".state")).to_have_text(
            "This is not a photo we can read. Send a JPEG, PNG or WebP file."
        )
        failed = card.filter(has_text=HALF)
        expect(failed.locator(".state")).to_contain_text("This photo can't be read")
        expect(failed.locator(".again")).to_be_hidden()
        expect(lab_page.locator("#backend .dots .failed")).to_have_count(1)
        assert counts(lab_page) == ["0", "0", "0", "2"]


@pytest.mark.slow
def test_a_page_that_is_opened_later_shows_the_gallery_and_develops_again_by_keyboard(
    empty_lab: ChapterRun, browser: Browser, client: httpx.Client, small_photo: bytes
) -> None:
    for name in ("older.jpg", "newer.jpg"):
        client.post(f"{empty_lab.url}/photos", files={"photo": (name, small_photo)})
    with page(browser, empty_lab.url, WIDE) as lab_page:
        expect(lab_page.locator(".card .print")).to_have_count(2)
        assert lab_page.locator(".card .name").all_inner_texts() == ["newer.jpg", "older.jpg"]
        first = client.get(f"{empty_lab.url}/photos").json()["photos"][0]["order"]["id"]

        tab_to(lab_page, ".again[aria-label='Develop newer.jpg again']")
        lab_page.keyboard.press("Enter")

        def ordered_again() -> bool:
            order = client.get(f"{empty_lab.url}/photos").json()["photos"][0]["order"]
            return order["id"] != first and order["result"] is not None

        wait_until(ordered_again, "the second order to be developed")
        expect(lab_page.locator(".card .print")).to_have_count(2)
        expect(lab_page.locator("#says")).to_have_text("0 not begun, 0 in work, 2 developed.")
        assert lab_page.locator(".card").count() == 2, "one card a photo"


@pytest.mark.slow
def test_a_server_that_stops_is_said_and_the_page_recovers(
    empty_lab: ChapterRun, browser: Browser, small_photo: bytes
) -> None:
    with page(browser, empty_lab.url, WIDE, troubled=True) as lab_page:
        upload(lab_page, photo_file(small_photo))
        expect(lab_page.locator(".card .print")).to_have_count(1)

        empty_lab.stop("broker")
        expect(lab_page.locator("#says")).to_contain_text("The result backend doesn't answer")
        upload(lab_page, photo_file(small_photo, "second.jpg"))
        second = lab_page.locator(".card").filter(has_text="second.jpg")
        expect(second.locator(".state")).to_contain_text("Your order wasn't taken: try again")

        empty_lab.stop("web")
        expect(lab_page.locator("#says")).to_have_text(NO_ANSWER)
        upload(lab_page, photo_file(small_photo, "third.jpg"))
        third = lab_page.locator(".card").filter(has_text="third.jpg")
        expect(third.locator(".state")).to_have_text(NO_ANSWER)
        empty_lab.start_all()
        expect(lab_page.locator("#says")).to_contain_text("1 developed.")
        expect(lab_page.locator(".card .print")).to_have_count(1)


@pytest.mark.slow
def test_photos_wait_while_no_worker_runs_and_arrive_once_it_does(
    empty_lab: ChapterRun, browser: Browser, client: httpx.Client, small_photo: bytes
) -> None:
    empty_lab.stop("worker")
    with page(browser, empty_lab.url, WIDE) as lab_page:
        upload(lab_page, photo_file(small_photo, "one.jpg"), photo_file(small_photo, "two.jpg"))
        expect(lab_page.locator(".card .state")).to_have_text(["sent, not begun …"] * 2)
        expect(lab_page.locator("#says")).to_have_text("2 not begun, 0 in work, 0 developed.")
        assert counts(lab_page) == ["0", "2", "0", "0"]
        expect(lab_page.locator("#broker .dots i")).to_have_count(2)
        empty_lab.start("worker")
        expect(lab_page.locator(".card .print")).to_have_count(2)
        expect(lab_page.locator("#says")).to_have_text("0 not begun, 0 in work, 2 developed.")


@pytest.mark.slow
def test_a_photo_to_develop_again_waits_on_the_page_too(
    empty_lab: ChapterRun, browser: Browser, small_photo: bytes
) -> None:
    with page(browser, empty_lab.url, WIDE) as lab_page:
        upload(lab_page, photo_file(small_photo))
        expect(lab_page.locator(".card .print")).to_have_count(1)
        empty_lab.stop("worker")
        lab_page.locator(".again").click()
        expect(lab_page.locator(".card .state")).to_have_text("sent, not begun …")
        expect(lab_page.locator("#says")).to_have_text("1 not begun, 0 in work, 0 developed.")
        expect(lab_page.locator(".again")).to_be_hidden()
        empty_lab.start("worker")
        expect(lab_page.locator(".card .print")).to_have_count(1)


@pytest.mark.slow
def test_what_hangs_is_said_with_a_remedy_and_can_be_ordered_again(
    empty_lab: ChapterRun, browser: Browser, client: httpx.Client, small_photo: bytes
) -> None:
    empty_lab.stop("worker")
    client.post(f"{empty_lab.url}/photos", files={"photo": ("one.jpg", small_photo)})
    with page(browser, empty_lab.url, NARROW) as lab_page:
        lab_page.clock.install()
        lab_page.reload()
        expect(lab_page.locator("#says")).to_have_text("1 not begun, 0 in work, 0 developed.")
        expect(lab_page.locator("#stuck")).to_be_hidden()
        lab_page.clock.fast_forward(20_000)
        expect(lab_page.locator("#stuck")).to_contain_text("python -m workbench start worker")
        expect_no_horizontal_scroll(lab_page)
        lab_page.locator(".again").click()
        lab_page.clock.run_for(1_000)
        expect(lab_page.locator("#stuck")).to_be_hidden()
        assert client.get(f"{empty_lab.url}/photos").json()["photos"][0]["order"]["id"]


@pytest.mark.slow
def test_the_page_asks_for_single_orders_and_less_often_while_nothing_changes(
    empty_lab: ChapterRun, browser: Browser, client: httpx.Client, small_photo: bytes
) -> None:
    asked: list[str] = []
    empty_lab.stop("worker")
    for number in range(6):
        client.post(f"{empty_lab.url}/photos", files={"photo": (f"{number}.jpg", small_photo)})
    with page(browser, empty_lab.url, WIDE) as lab_page:
        lab_page.clock.install()
        lab_page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
        lab_page.reload()
        expect(lab_page.locator("#broker .dots i")).to_have_count(6)
        for _ in range(30):
            lab_page.clock.run_for(1_000)

    lists, orders = asked.count("photos"), [name for name in asked if len(name) == 36]
    assert lists <= 8, "about every five seconds"
    assert 1 <= len(set(orders)) <= 4, "those that are next in line"
    assert len(orders) <= 4 * 12, "each wait is longer than the last"
