"""Chapter 1's page in a real browser: pressed, watched, wide and narrow."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.support.browser import NARROW, WIDE, chromium, page
from workbench.chapter_run import ChapterRun

LONG = 30_000  # ms


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


def test_the_other_visitor_freezes_one_way_and_stays_calm_the_other(
    lab: ChapterRun, browser: Browser, size: ViewportSize
) -> None:
    with page(browser, lab.url, size) as lab_page:
        expect(lab_page.locator("#now")).to_contain_text("answered in")
        choose_only(lab_page, "lake")

        press(lab_page, "blocking")
        expect(lab_page.locator(".blocking .prints img")).to_have_count(1)
        blocked = longest_wait(lab_page)

        press(lab_page, "background")
        prints = lab_page.locator(".background .prints img")
        expect(prints).to_have_count(1)
        expect(prints).to_have_js_property("complete", True)
        assert prints.evaluate("image => image.naturalWidth") > 0
        assert re.fullmatch(
            r"\d+\.\d s of work, ready after \d+\.\d s",
            lab_page.locator(".background .time").first.inner_text(),
        )
        assert longest_wait(lab_page) < blocked / 2, "the strip stays calm"

        wider = lab_page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wider, "nothing sticks out to the side"


def test_what_cant_be_developed_is_said_in_words(
    lab: ChapterRun, browser: Browser, tmp_path: Path, small_photo: bytes
) -> None:
    (tmp_path / "mine.jpg").write_bytes(small_photo)
    (tmp_path / "half.jpg").write_bytes(small_photo[: len(small_photo) // 2])
    with page(browser, lab.url, WIDE) as lab_page:
        choose_only(lab_page)
        lab_page.locator("#files").set_input_files([tmp_path / "mine.jpg", tmp_path / "half.jpg"])
        expect(lab_page.locator("#photos img")).to_have_count(8)
        press(lab_page, "background")
        expect(lab_page.locator(".background .failed .state")).to_contain_text("truncated")
        expect(lab_page.locator(".background .prints img")).to_have_count(1)
        expect(lab_page.locator(".background [role=status]")).to_contain_text("1 developed, 1 not")


def test_no_photo_chosen_is_said(lab: ChapterRun, browser: Browser) -> None:
    with page(browser, lab.url, WIDE) as lab_page:
        choose_only(lab_page)
        lab_page.locator("#background").click()
        expect(lab_page.locator(".background [role=status]")).to_contain_text("Choose at least one")


@pytest.mark.slow
def test_photos_wait_while_no_worker_runs_and_arrive_once_it_does(
    lab: ChapterRun, browser: Browser
) -> None:
    lab.stop("worker")
    with page(browser, lab.url, WIDE) as lab_page:
        choose_only(lab_page, "dunes")
        lab_page.locator("#background").click()
        expect(lab_page.locator(".background .state")).to_have_text("waiting in the queue …")
        lab.start("worker")
        expect(lab_page.locator(".background .prints img")).to_have_count(1, timeout=LONG)


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
