"""The X-ray with real chapters, as the lessons tell to use it, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import WIDE, chromium, page
from tests.support.chapter_runs import need_rabbitmq
from tests.support.terminal_run import workbench
from tests.support.xray_run import XrayRun
from workbench import chapter

pytestmark = pytest.mark.slow
expect.set_options(timeout=15_000)
NAMES = [found.name for found in chapter.chapters()]
SIX = re.compile("background|six sample photos")  # the button that sends six tasks


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module", params=NAMES)
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[XrayRun]:
    """Each chapter, unchanged."""
    found = XrayRun(tmp_path_factory.mktemp(request.param), request.param)
    yield found
    assert found.end() < 5
    assert found.process_tree() == []


def test_its_address_is_printed_before_the_pages(lab: XrayRun) -> None:
    assert f"X-ray, to watch the messages move: {lab.xray}\n" in lab.said
    assert lab.said.splitlines()[-1].endswith(lab.url)


def test_a_message_waits_is_read_and_passes_on_to_the_result(
    browser: Browser, lab: XrayRun
) -> None:
    with page(browser, lab.xray, WIDE) as xray, page(browser, lab.url, WIDE) as client:
        xray.get_by_role("button", name="Pause").click()
        expect(xray.locator("#worker")).to_contain_text("paused")
        client.get_by_role("button", name=SIX).click()
        waiting = xray.locator("#broker .task")
        expect(waiting).to_have_count(6)
        expect(waiting.first).to_contain_text("next")
        waiting.first.click()
        card = xray.locator("#card")
        expect(card).to_contain_text(re.compile(r"Next in the queue \w+; the worker is paused\."))
        expect(card).to_contain_text("Properties: for the broker")
        expect(card).to_contain_text("tasks.develop")
        number = card.locator("dd").first.inner_text()
        xray.get_by_role("button", name="Let one through").click()
        done = xray.locator("#backend .task")
        expect(done).to_have_count(1)
        expect(card).to_contain_text(f"celery-task-meta-{number}")
        expect(card).to_contain_text(re.compile(r"in the queue .*received by .*done", re.S))
        expect(waiting).to_have_count(5)
        xray.get_by_role("button", name="Resume").click()
        # Chapter 4 has two more tasks, which follow soon.
        expect(xray.locator("#tally")).to_contain_text(re.compile("[678] done"), timeout=60_000)
        expect(waiting).to_have_count(0)


def test_a_process_that_is_killed_takes_its_task_along(browser: Browser, lab: XrayRun) -> None:
    """Six photos are being developed; who kills a process sees what becomes of its task."""
    with page(browser, lab.xray, WIDE) as xray, page(browser, lab.url, WIDE) as client:
        expect(xray.get_by_role("button", name="Pause")).to_be_visible()
        client.get_by_role("button", name=SIX).click()
        busy = xray.locator(".slot", has=xray.locator(".task.running")).first
        expect(busy).to_be_visible()
        busy.get_by_role("button", name="Kill").click()
        busy.get_by_role("button", name=re.compile("Yes, kill")).click()
        failed = xray.locator("#backend .task.failed").first
        expect(failed).to_be_visible()
        failed.click()
        expect(xray.locator("#card .why")).to_contain_text("signal 9 (SIGKILL)")


def test_a_broker_that_goes_is_told_and_one_that_comes_back_too(
    browser: Browser, lab: XrayRun
) -> None:
    def tell(verb: str) -> None:
        assert workbench(verb, "broker", env={"WORKBENCH_VAR": str(lab.var)}).returncode == 0

    with page(browser, lab.xray, WIDE) as xray:
        expect(xray.get_by_role("button", name="Pause")).to_be_visible()
        tell("stop")
        banner = xray.locator("#banner")
        expect(banner).to_be_visible()
        tell("start")
        expect(banner).to_be_hidden(timeout=60_000)
        with page(browser, lab.url, WIDE) as client:
            client.get_by_role("button", name=SIX).click()
            expect(xray.locator("#tally")).to_contain_text("done", timeout=60_000)


@pytest.mark.parametrize("name", NAMES[:1])  # one stands for all: what differs is the broker
def test_of_a_rabbitmq_it_tells_how_much_waits_and_names_what_it_cant_see(
    browser: Browser, tmp_path: Path, name: str
) -> None:
    need_rabbitmq()
    lab = XrayRun(tmp_path, name, BROKER="rabbitmq")
    try:
        with page(browser, lab.xray, WIDE) as xray, page(browser, lab.url, WIDE) as client:
            xray.get_by_role("button", name="Pause").click()
            expect(xray.locator("#worker")).to_contain_text("paused")
            client.get_by_role("button", name=SIX).click()
            expect(xray.locator("#broker .depth")).to_have_text("6")
            expect(xray.locator("#broker")).to_contain_text("how many is known, not which")
            unseen = xray.locator("footer li")
            expect(unseen).to_have_count(2)  # its management interface tells the rest
            expect(unseen.first).to_contain_text("Not seen: what a waiting message looks like")
            xray.get_by_role("button", name="Resume").click()
            expect(xray.locator("#tally")).to_contain_text("6 done", timeout=60_000)
            expect(xray.locator("#broker .depth")).to_have_text("0")
    finally:
        assert lab.end() < 8
    assert lab.process_tree() == []
