"""A real browser for the tests: the system's Chromium, or the one that CHROMIUM names."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    FilePayload,
    Page,
    ViewportSize,
    sync_playwright,
)

WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 360, "height": 740}
QUIET = [  # no call home: a browser under test talks to the page, and to nobody else
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser, or skip the test where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium: install it, with 'sudo apt-get install chromium'")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*QUIET, *as_root])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page(
    browser: Browser, url: str, size: ViewportSize, *, troubled: bool = False, **options: object
) -> Iterator[Page]:
    """Open a page; fail if its console holds an error in the end.

    On a troubled page requests may be refused: that, Chromium writes to the console itself.
    """
    opened = browser.new_page(viewport=size, **options)  # type: ignore[arg-type]
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        refused = troubled and message.text.startswith("Failed to load resource")
        if message.type == "error" and not refused:
            said.append(message.text)

    opened.on("console", note)
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto(url)
    try:
        yield opened
    finally:
        opened.close()
    assert said == [], "the browser's console holds no error"


def photo_file(content: bytes, name: str = "mine.jpg") -> FilePayload:
    return {"name": name, "mimeType": "image/jpeg", "buffer": content}


def expect_no_horizontal_scroll(opened: Page) -> None:
    wider = opened.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wider, "nothing sticks out to the side"


def tab_to(opened: Page, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        opened.keyboard.press("Tab")
        if opened.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never reaches {selector}")
