"""The X-ray's list of tasks in a browser, from facts that were written by hand."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.support.browser import WIDE, chromium, expect_no_horizontal_scroll, page, tab_to
from tests.support.xray_recording import Recorded, Recording, every_state, served

PHONE: ViewportSize = {"width": 390, "height": 844}
TASKS = {  # one in each state, the newest first; what the picture says of it
    "sent": "sent",
    "waiting": "waiting",
    "held": "reserved",
    "running": "running",
    "scheduled": "scheduled",
    "retrying": "retrying",
    "left-behind": "left behind",
    "lost": "lost",
    "expired": "expired",
    "revoked": "revoked",
    "failed": "failed",
    "done": "done",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A saved run with one task in each state, and one with an id of its own."""
    return every_state().save(tmp_path_factory.mktemp("saved") / "run.html")


def to_the_end(xray: Page) -> None:
    xray.locator("#moment").focus()
    xray.keyboard.press("End")


def ids(xray: Page) -> list[str]:
    """Return which tasks are in the list, from above."""
    found: list[str] = xray.locator("#rows tr").evaluate_all(
        "all => all.map(row => row.dataset.id)"
    )
    return found


def cells(xray: Page, task: str) -> list[str]:
    texts = xray.locator(f"#rows tr[data-id='{task}'] td").all_inner_texts()
    return [" ".join(text.split()) for text in texts]


def field(xray: Page, name: str) -> Any:
    return xray.locator(f"#filters [name={name}]")


def expect_found(xray: Page, *tasks: str) -> None:
    expect(xray.locator("#rows tr")).to_have_count(len(tasks))
    assert ids(xray) == list(tasks)


def test_each_task_is_in_the_list_in_the_words_of_the_picture(
    browser: Browser, address: str
) -> None:
    with page(browser, address, WIDE) as xray:
        to_the_end(xray)
        xray.get_by_role("link", name="Tasks").click()
        expect(xray.locator("#rows .state")).to_have_text(list(TASKS.values()))
        expect(xray.locator("main")).to_be_hidden()
        expect(xray.locator("#found")).to_have_text("12 found, of 12 tasks known.")
        done, running = cells(xray, "done"), cells(xray, "running")
        assert done[:3] == ["tasks.develop 'a photo'", "done", "done"]
        assert all(re.fullmatch(r"15 Jan, 08:00:0\d", time) for time in done[3:5])
        assert done[5:] == ["200 ms", "celery@lab"]
        assert re.fullmatch(r"\d+ ms", running[5])
        waiting = cells(xray, "waiting")
        assert waiting[2:3] + waiting[4:] == ["waiting next", "", "", ""]
        xray.get_by_role("link", name="Picture").click()
        expect(xray.locator("#backend .done.task")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"text": "TORN"}, []),
        ({"text": "A PHOTO", "name": "tasks.publish"}, ["scheduled"]),
        ({"text": "deliver"}, ["retrying"]),
        ({"text": "left-"}, ["left-behind"]),
        ({"state": "failed"}, ["failed"]),
        ({"name": "tasks.deliver", "state": "done"}, []),
        ({"when": "1"}, list(TASKS)),
        ({"when": "between", "until": "2027-01-15T08:00:00"}, []),
        ({"when": "between", "from": "2027-01-15T08:00:03"}, ["sent", "waiting"]),
    ],
)
def test_it_is_searched_and_filtered(
    browser: Browser, address: str, wanted: dict[str, str], found: list[str]
) -> None:
    with page(browser, f"{address}#tasks", WIDE, timezone_id="UTC") as xray:
        to_the_end(xray)
        for name, value in wanted.items():
            if name in ("name", "state", "when"):
                field(xray, name).select_option(value)
            else:
                field(xray, name).fill(value)
        expect_found(xray, *found)
        expect(xray.locator("#found")).to_have_text(f"{len(found)} found, of 12 tasks known.")


@pytest.mark.slow
def test_a_reload_keeps_the_filters_and_so_does_a_look_at_the_picture(
    browser: Browser, address: str
) -> None:
    with page(browser, f"{address}#tasks", WIDE) as xray:
        to_the_end(xray)
        field(xray, "name").select_option("tasks.develop")
        field(xray, "state").select_option("held")
        field(xray, "text").fill("HELD")
        expect(xray).to_have_url(re.compile("#tasks.text=HELD&name=tasks.develop&state=held$"))
        xray.reload()
        to_the_end(xray)
        expect_found(xray, "held")
        xray.get_by_role("link", name="Picture").click()
        xray.get_by_role("link", name="Tasks").click()
        expect_found(xray, "held")
        for name, value in {"name": "tasks.develop", "state": "held", "text": "HELD"}.items():
            expect(field(xray, name)).to_have_value(value)
        xray.get_by_role("button", name="Show all").click()
        expect(xray.locator("#rows tr")).to_have_count(len(TASKS))
        expect(field(xray, "text")).to_have_value("")


@pytest.mark.slow
def test_a_row_opens_what_its_card_opens(browser: Browser, address: str) -> None:
    with page(browser, f"{address}#tasks", WIDE) as xray:
        to_the_end(xray)
        xray.locator("#rows tr[data-id=failed] td").nth(3).click()
        expect(xray.locator("#card .why")).to_have_text("Failed: ValueError('torn')")
        expect(xray.locator("#rows tr[data-id=failed]")).to_have_class("failed open")
        expect_no_horizontal_scroll(xray)
        xray.keyboard.press("Escape")
        expect(xray.locator("#rows tr[data-id=failed] button")).to_be_focused()


@pytest.mark.slow
def test_it_is_used_by_keyboard(browser: Browser, address: str) -> None:
    with page(browser, f"{address}#tasks", WIDE) as xray:
        to_the_end(xray)
        field(xray, "text").focus()
        xray.keyboard.type("lost")
        xray.keyboard.press("Enter")
        expect_found(xray, "lost")
        tab_to(xray, "#rows button")
        xray.keyboard.press("Enter")
        expect(xray.locator("#card .why")).to_contain_text("Lost: its process 99 is gone")
        xray.keyboard.press("Escape")
        expect(xray.locator("#rows button")).to_be_focused()


@pytest.mark.slow
@pytest.mark.parametrize("size", [PHONE, WIDE])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_no_word_is_cut_and_nothing_sticks_out(
    browser: Browser, tmp_path: Path, size: ViewportSize, scheme: str
) -> None:
    run = every_state()
    run.starts("long", "photolab.services.newsletters.tasks.publish_the_weekly_newsletter")
    saved = run.save(tmp_path / "run.html")
    with page(browser, f"{saved}#tasks?when=between", size, color_scheme=scheme) as xray:
        to_the_end(xray)
        expect(xray.locator("#rows tr")).to_have_count(len(TASKS) + 1)
        expect_no_horizontal_scroll(xray)
        words = "#views a, #filters label, #rows .name, #rows .state, #rows td:not(:empty)"
        cut = xray.locator(words).evaluate_all(
            "all => all.filter(one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth)"
            ".map(one => one.innerText)"
        )
        assert cut == []


@pytest.mark.slow
def test_of_many_the_newest_are_drawn_and_all_are_counted(browser: Browser) -> None:
    run, recorded = Recording(), Recorded()
    run.worker()
    for task in range(3000):
        run.receives(f"{task:06}", at=run.at)
        run.event("succeeded", f"{task:06}", runtime=0.001)
    recorded.tell(run)
    with served(recorded) as url, page(browser, f"{url}#tasks", WIDE) as xray:
        expect(xray.locator("#rows tr")).to_have_count(200)
        expect(xray.locator("#found")).to_have_text(
            "The newest 200 of 3,000 found, of 3,000 tasks known."
        )
        assert ids(xray)[0] == "002999"
        run.starts("another", "tasks.report")
        recorded.tell(run)
        expect(xray.locator("#rows tr").first).to_have_attribute("data-id", "another")
        expect(field(xray, "name").locator("option")).to_have_text(
            ["any", "tasks.develop", "tasks.report"]
        )


@pytest.mark.slow
def test_what_is_redacted_is_not_searched(browser: Browser, tmp_path: Path) -> None:
    run = Recording()
    run.receives("one", args="(redacted)")
    saved = run.save(tmp_path / "run.html", redact=True)
    with page(browser, f"{saved}#tasks", WIDE) as xray:
        to_the_end(xray)
        expect(field(xray, "text")).to_have_attribute("placeholder", "name, id")
        field(xray, "text").fill("redacted")
        expect(xray.locator("#rows tr")).to_have_count(0)
        expect(xray.locator("#found")).to_have_text("0 found, of 1 task known.")
