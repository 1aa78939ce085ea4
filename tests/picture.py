"""Take the picture of a page that the README shows: `python -m tests.picture`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import expect

from tests.browser import chromium, page
from workbench.bench import Bench

PICTURE = Path(__file__).parents[1] / "docs/chapter-01.png"


def main() -> None:
    """Press both buttons of chapter 1, and photograph the page while prints arrive."""
    with (
        TemporaryDirectory() as folder,
        Bench("01", folder=Path(folder)) as lab,
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


if __name__ == "__main__":
    main()
