"""Take the pictures of pages that the README shows: `python -m tools picture`."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import expect

from tests.support.browser import chromium, page
from workbench import xray_process
from workbench.chapter_run import ChapterRun

DOCS = Path(__file__).parents[1] / "docs"


def take() -> None:
    """Photograph chapter 1's page, then the X-ray of chapter 4."""
    DOCS.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        take_chapter(Path(folder), DOCS / "chapter-01.png")
    with TemporaryDirectory() as folder:
        take_xray(Path(folder), DOCS / "x-ray.png")


def take_chapter(folder: Path, picture: Path) -> None:
    """Press both buttons of chapter 1, and photograph the page while prints arrive."""
    with (
        ChapterRun("01", folder=folder) as lab,
        chromium() as browser,
        page(browser, lab.url, {"width": 1180, "height": 1070}) as lab_page,
    ):
        for box in lab_page.locator("#photos input[type=checkbox]").all()[4:]:
            box.uncheck()
        lab_page.locator("#blocking").click()
        expect(lab_page.locator(".blocking .prints img")).to_have_count(4, timeout=30_000)
        lab_page.locator("#background").click()
        expect(lab_page.locator(".background .prints img")).to_have_count(2, timeout=30_000)
        lab_page.evaluate("Promise.all(document.getAnimations().map(one => one.finished))")
        lab_page.screenshot(path=picture)


def take_xray(folder: Path, picture: Path) -> None:
    """Order an album of six in chapter 4, and photograph the X-ray when some are developed."""
    chapter_run = ChapterRun("04", folder=folder)
    address = str(xray_process.add_to(chapter_run))
    with (
        chapter_run as lab,
        chromium() as browser,
        page(browser, lab.url, {"width": 1180, "height": 1070}) as lab_page,
        page(browser, address, {"width": 1280, "height": 960}) as xray,
    ):
        xray.emulate_media(reduced_motion="reduce")  # no card is on its way in the picture
        lab_page.locator("#album-samples").click()
        xray.locator(".flow").click(timeout=30_000)
        expect(xray.locator("#tally .done b")).to_have_text(re.compile("[2-5]"), timeout=60_000)
        xray.screenshot(path=picture, animations="disabled")
