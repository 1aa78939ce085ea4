"""Take the picture of a page that the README shows: `python -m tools picture`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import expect

from tests.support.browser import chromium, page
from workbench.chapter_run import ChapterRun

PICTURE = Path(__file__).parents[1] / "docs/chapter-01.png"


def take() -> None:
    """Press both buttons of chapter 1, and photograph the page while prints arrive."""
    with (
        TemporaryDirectory() as folder,
        ChapterRun("01", folder=Path(folder)) as lab,
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
        PICTURE.parent.mkdir(exist_ok=True)
        lab_page.screenshot(path=PICTURE)
