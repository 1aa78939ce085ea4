"""Chapter 1's page in a real browser: pressed, watched, reloaded, wide and narrow."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.support.browser import NARROW, WIDE, chromium, expect_no_horizontal_scroll, page
from workbench.chapter_run import ChapterRun

LONG = 60_000  # ms; a photo takes about 1.4 s on a machine that does nothing else
READY_AFTER = r"(\d+\.\d s of work, )?ready after \d+\.\d s"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(params=[WIDE, pytest.param(NARROW, marks=pytest.mark.slow)], ids=["wide", "narrow"])
def size(request: pytest.FixtureRequest) -> ViewportSize:
    found: ViewportSize = request.param
    return found


def choose_only(lab_page: Page, *names: str) -> None:
    for box in lab_page.locator("#photos input[type=checkbox]").all():
        box.set_checked(box.get_attribute("data-name") in names)


def press(lab_page: Page, way: str) -> None:
    """Press a button with the keyboard, and wait until its work is done."""
    button = lab_page.locator(f"#{way}")
    button.focus()
    lab_page.keyboard.press("Enter")
    expect(lab_page.locator(f".{way} [role=status]")).to_contain_text("longest wait", timeout=LONG)
    expect(button).to_be_enabled()


def longest_wait(lab_page: Page) -> float:
    """Return the other client's longest wait since the button was pressed, in milliseconds."""
    found: float = lab_page.evaluate("window.pulse.longest")
    return found


def expect_loaded(lab_page: Page, way: str) -> None:
    image = lab_page.locator(f".{way} .prints img")
    expect(image).to_have_count(1)
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("image => image.naturalWidth") > 0


# --- the two ways --------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_other_visitor_waits_one_way_and_not_the_other(
    lab: ChapterRun, browser: Browser, size: ViewportSize
) -> None:
    with page(browser, lab.url, size) as lab_page:
        expect(lab_page.locator("#now")).to_contain_text("answered in")
        choose_only(lab_page, "lake")
        press(lab_page, "blocking")
        blocked = longest_wait(lab_page)
        press(lab_page, "background")
        calm = longest_wait(lab_page)

        assert calm < blocked / 2
        for way in ("blocking", "background"):
            expect_loaded(lab_page, way)
            said = lab_page.locator(f".{way} .time").inner_text().replace("\u00a0", " ")
            assert re.fullmatch(READY_AFTER, said), said
        expect_no_horizontal_scroll(lab_page)


@pytest.mark.slow
def test_both_ways_count_from_the_press(lab: ChapterRun, browser: Browser) -> None:
    with page(browser, lab.url, WIDE) as lab_page:
        choose_only(lab_page, "lake", "dunes", "ridges")
        press(lab_page, "blocking")
        found = lab_page.locator(".blocking .time").all_inner_texts()
        times = [float(re.findall(r"\d+\.\d", text)[0]) for text in found]

        assert len(times) == 3
        assert times[0] < times[1] < times[2]
        assert times[2] > 2 * times[0], "the third has waited for the first two"


@pytest.mark.slow
def test_half_a_photo_is_said_in_words(
    lab: ChapterRun, browser: Browser, tmp_path: Path, small_photo: bytes
) -> None:
    (tmp_path / "mine.jpg").write_bytes(small_photo)
    (tmp_path / "half.jpg").write_bytes(small_photo[: len(small_photo) // 2])
    with page(browser, lab.url, WIDE) as lab_page:
        choose_only(lab_page)
        lab_page.locator("#files").set_input_files([tmp_path / "mine.jpg", tmp_path / "half.jpg"])
        expect(lab_page.locator("#photos img")).to_have_count(8)
        press(lab_page, "background")

        expect(lab_page.locator(".background .failed .state")).to_contain_text("is damaged")
        expect(lab_page.locator(".background .prints img")).to_have_count(1)
        expect(lab_page.locator(".background [role=status]")).to_contain_text("1 developed, 1 not")


def test_no_photo_chosen_is_said(lab: ChapterRun, browser: Browser) -> None:
    with page(browser, lab.url, WIDE) as lab_page:
        choose_only(lab_page)
        lab_page.locator("#background").click()
        expect(lab_page.locator(".background [role=status]")).to_contain_text("Choose at least one")


# --- a reload, and what hangs --------------------------------------------------------------------


@pytest.mark.slow
def test_after_a_reload_the_background_prints_are_there(
    lab: ChapterRun, browser: Browser, tmp_path: Path, small_photo: bytes
) -> None:
    (tmp_path / "mine.jpg").write_bytes(small_photo)
    with page(browser, lab.url, WIDE) as lab_page:
        choose_only(lab_page)
        lab_page.locator("#files").set_input_files(tmp_path / "mine.jpg")
        press(lab_page, "background")
        before = lab_page.locator(".background .time").inner_text()
        lab_page.reload()

        expect_loaded(lab_page, "background")
        assert lab_page.locator(".background .time").inner_text() == before
        expect(lab_page.locator(".background [role=status]")).to_contain_text("from before")


@pytest.mark.slow
def test_while_no_worker_runs_the_page_says_what_to_do_and_goes_on_later(
    lab: ChapterRun, browser: Browser
) -> None:
    lab.stop("worker")
    with page(browser, lab.url, WIDE) as lab_page:
        choose_only(lab_page, "dunes")
        lab_page.locator("#background").click()
        expect(lab_page.locator(".background .state")).to_have_text("waiting for a worker …")
        expect(lab_page.locator("#background")).to_be_enabled()
        says = lab_page.locator(".background [role=status]")
        expect(says).to_contain_text("Nothing has moved for 1", timeout=LONG)
        expect(says).to_contain_text("python -m workbench start worker")
        lab_page.reload()
        expect(lab_page.locator(".background .state")).to_have_text("waiting for a worker …")
        lab.start("worker")
        expect(lab_page.locator(".background .prints img")).to_have_count(1, timeout=LONG)


@pytest.mark.slow
def test_after_a_kill_the_button_works_again(lab: ChapterRun, browser: Browser) -> None:
    with page(browser, lab.url, WIDE) as lab_page:
        choose_only(lab_page, "dunes")
        lab_page.locator("#background").click()
        developing = lab_page.locator(".background .state")
        expect(developing).to_have_text("a worker develops it …", timeout=LONG)
        lab.kill("worker")
        says = lab_page.locator(".background [role=status]")
        expect(says).to_contain_text("Nothing has moved for", timeout=LONG)
        lab.start("worker")
        press(lab_page, "background")
        expect_loaded(lab_page, "background")


@pytest.mark.slow
def test_the_page_asks_seldom_while_nothing_moves(lab: ChapterRun, browser: Browser) -> None:
    lab.stop("worker")
    asked: list[str] = []
    with page(browser, lab.url, WIDE) as lab_page:
        choose_only(lab_page, "dunes")
        lab_page.locator("#background").click()
        says = lab_page.locator(".background [role=status]")
        expect(says).to_contain_text("Nothing has moved for 2", timeout=LONG)
        lab_page.on("request", lambda request: asked.append(request.url))
        expect(says).to_contain_text("Nothing has moved for 3", timeout=LONG)

    questions = [url for url in asked if "/tasks/" in url]
    assert 1 <= len(questions) <= 4, "about each five seconds"


# --- the rest ------------------------------------------------------------------------------------


def test_the_articles_task_answers_on_the_page(lab: ChapterRun, browser: Browser) -> None:
    with page(browser, lab.url, NARROW, color_scheme="dark") as lab_page:
        lab_page.locator("[name=arg1]").fill("20")
        lab_page.locator("[name=arg2]").fill("22")
        lab_page.keyboard.press("Enter")
        expect(lab_page.locator("#answer")).to_have_text("= 42")
        dark = lab_page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(map(int, re.findall(r"\d+", dark)[:3])) < 64


def test_everything_can_be_reached_by_keyboard(lab: ChapterRun, browser: Browser) -> None:
    with page(browser, lab.url, WIDE) as lab_page:
        reached = set()
        for _ in range(16):
            lab_page.keyboard.press("Tab")
            reached.add(
                lab_page.evaluate("document.activeElement.id || document.activeElement.name")
            )
        assert {"files", "blocking", "background", "arg1", "arg2"} <= reached
