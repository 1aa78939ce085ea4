"""The X-ray of an album: its workflow as a graph, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import WIDE, chromium, page
from tests.support.xray_run import XrayRun

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def xray_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XrayRun]:
    found = XrayRun(tmp_path_factory.mktemp("xray"), Path(__file__).parent.name)
    yield found
    found.end()


def test_an_album_is_the_graph_that_was_sent(browser: Browser, xray_run: XrayRun) -> None:
    with page(browser, xray_run.xray, WIDE) as xray, page(browser, xray_run.url, WIDE) as client:
        expect(xray.get_by_role("button", name="Pause")).to_be_visible()
        client.get_by_role("button", name="with a broken photo").click()
        flow = xray.locator("#flows button").first
        expect(flow).to_contain_text(
            "6 \N{MULTIPLICATION SIGN} develop_or_report → make_contact_sheet → publish_album"
        )
        flow.click()
        graph = xray.locator("#graph")
        expect(graph).to_contain_text("to come")
        expect(graph).to_contain_text(re.compile(r"8 of 8 done, [\d.]+ s in all"), timeout=60_000)
