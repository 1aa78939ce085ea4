"""The page that `make guide` makes: it finds the entry that the words on a screen belong to."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.field_guide.guide import entries
from tests.support.browser import (
    NARROW,
    WIDE,
    chromium,
    expect_no_horizontal_scroll,
    page,
    tab_to,
)
from tools import guide

pytestmark = pytest.mark.slow  # a tool of its own: no lesson needs it

ROOT = Path(__file__).parents[2]
FIRST_SHOWN = "details:not([hidden])"

# What somebody had on the screen, whole or in part, and the entry that is meant.
SCREENS = {
    "Error: Invalid value for '-A': Module 'photos' has no attribute 'celery'": (
        "module-wordshop-has-no-attribute-celery"
    ),
    "NoResultFound('No row was found when one was required') though the row is there": (
        "no-row-was-found-when-one-was-required-though-the-row-is-there"
    ),
    "[2026-11-24 10:00:00,123: ERROR/MainProcess] Received unregistered task of type 'app.add'.": (
        "received-unregistered-task-of-type"
    ),
    "sqlite3.OperationalError: database is locked\n[SQL: INSERT INTO order VALUES (?)]": (
        "database-is-locked"
    ),
    "RuntimeWarning: coroutine 'send_mail' was never awaited": (
        "object-of-type-coroutine-is-not-json-serializable"
    ),
    "got Future attached to a different loop": "event-loop-is-closed-at-the-second-task",
    "celery -A celery worker": "default0x-in-the-workers-banner-and-no-tasks",
    "paused": "empty-where-celery-inspect-active_queues-should-name-a-queue",
    "start both again": "was-not-ready-after-40-s-when-you-start-a-worker-again",
    "celery.exceptions.NotRegistered: 'shop.tasks.pay'": "notregistered",
    "task renamed": "received-unregistered-task-of-type-after-a-task-was-renamed",
    "daemonic proc": "daemonic-processes-are-not-allowed-to-have-children",
    "cancel_consumer": "empty-where-celery-inspect-active_queues-should-name-a-queue",
    "ssl_cert_reqs": "a-rediss-url-must-have-parameter-ssl_cert_reqs",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return guide.write(tmp_path_factory.mktemp("guide")).as_uri()


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Page]:
    with page(browser, address, WIDE) as found:
        yield found


def first(opened: Page, words: str) -> str:
    """Type words, and return the end of the address of the first entry that is shown."""
    opened.locator("#words").fill(words)
    return str(opened.locator(FIRST_SHOWN).first.get_attribute("id"))


@pytest.mark.parametrize("words", SCREENS)
def test_words_from_a_screen_find_the_entry_that_is_meant(opened: Page, words: str) -> None:
    assert first(opened, words) == SCREENS[words]
    expect(opened.locator(FIRST_SHOWN).first.get_by_text("Mend:")).to_be_visible()


def test_the_words_of_each_entry_find_it(opened: Page) -> None:
    known = {entry.slug: entry for entry in entries().values()}
    wrong = {
        entry.slug: found
        for entry in known.values()
        if known[found := first(opened, entry.words)].words != entry.words
    }
    assert wrong == {}, wrong


def test_the_heading_of_each_entry_finds_it(opened: Page) -> None:
    wrong = {
        entry.slug: found
        for entry in entries().values()
        if (found := first(opened, entry.heading)) != entry.slug
    }
    assert wrong == {}, wrong


def test_the_page_has_the_whole_guide_and_its_index(opened: Page) -> None:
    shown = opened.locator(FIRST_SHOWN).evaluate_all("all => all.map((entry) => entry.id)")
    assert shown == [entry.slug for entry in entries().values()]
    assert opened.locator("#index tbody tr").count() == guide.TEXT.read_text().count("\n| ") - 2
    links = opened.locator("a").evaluate_all("all => all.map((link) => link.href)")
    for link in links:
        path, _, anchor = str(link).removeprefix("file://").partition("#")
        assert Path(path).exists(), link
        assert not path.endswith("guide.html") or anchor in shown, link


def test_words_that_no_entry_has_say_so(opened: Page) -> None:
    opened.locator("#words").fill("xyzzy")
    expect(opened.get_by_role("status")).to_contain_text("No entry has these words.")
    expect(opened.locator(FIRST_SHOWN)).to_have_count(0)


def test_a_link_to_another_entry_opens_it(opened: Page) -> None:
    first(opened, "coroutine")
    opened.locator(FIRST_SHOWN).first.get_by_role("link", name="no time limits").click()
    target = opened.locator("#succeeded-in-more-seconds-than-the-time-limit")
    expect(target.get_by_text("Mend:")).to_be_visible()
    expect(target.locator("summary")).to_be_focused()


def test_the_page_can_be_used_by_keyboard(opened: Page) -> None:
    opened.keyboard.type("PENDING day")
    opened.keyboard.press("ArrowDown")
    best = opened.locator(FIRST_SHOWN).first
    expect(best.locator("summary")).to_be_focused()
    opened.keyboard.press("Enter")
    expect(best).not_to_have_attribute("open", "")
    opened.keyboard.press("Escape")
    expect(opened.locator("#words")).to_be_focused()
    expect(opened.locator("#index")).to_be_visible()
    tab_to(opened, "details summary")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_on_a_phone(browser: Browser, address: str, scheme: str) -> None:
    with page(browser, address, NARROW, color_scheme=scheme) as opened:
        expect_no_horizontal_scroll(opened)
        opened.locator("details").evaluate_all("all => all.forEach((each) => (each.open = true))")
        expect_no_horizontal_scroll(opened)
        background = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(23, 18, 15)") == (scheme == "dark")


def test_the_command_says_where_the_page_is() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools", "guide"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    address = done.stdout.removeprefix("Open file://").strip()
    assert "Field guide" in Path(address).read_text()
