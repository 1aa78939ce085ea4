"""How smooth the X-ray's page is.

The longest frame, once while a real worker drains a queue of tasks that do nothing, and once
while a thousand recorded tasks come in each second.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from playwright.sync_api import Browser, Page, ViewportSize, expect

from measurements.xray_cost import drain
from tests.support.browser import chromium, page
from tests.support.deployment import Deployment, xray
from tests.support.waiting import wait_until
from tests.support.xray_recording import Recorded, Recording, served

SIZE: ViewportSize = {"width": 1600, "height": 900}
RATE = 1000  # recorded tasks a second
WATCH = """() => {
    window.frames = [];
    let last = performance.now();
    const next = (now) => {
        frames.push(now - last);
        last = now;
        requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
}"""
SEEN = """() => ({
    longest: Math.max(...frames),
    frames: frames.length,
    slow: frames.filter((each) => each > 50).length,
})"""


def told(opened: Page, events: int) -> str:
    """Wait until the page has counted all events; return what its frames were like."""
    expect(opened.locator("#counter")).to_contain_text(f"{events:,} events", timeout=60_000)
    found: dict[str, Any] = opened.evaluate(SEEN)
    slow = f"{found['slow']} of {found['frames']} longer than 50 ms"
    return f"longest frame {found['longest']:.0f} ms, {slow}; {events:,} events counted"


def with_a_worker(browser: Browser, deployment: Deployment, tasks: int) -> str:
    """Watch a worker at its full speed."""
    with xray(deployment) as url, page(browser, url, SIZE) as opened:
        expect(opened.locator(".slot").first).to_be_visible()
        opened.evaluate(WATCH)
        took = drain(deployment, tasks)
        return f"{tasks} tasks in {took.seconds:.1f} s: {told(opened, 3 * tasks)}"


def with_a_recording(browser: Browser, seconds: int) -> str:
    """Watch recorded tasks; a third of them were seen in the queue."""
    run, recorded = Recording(), Recorded()
    run.worker()
    recorded.tell(run)
    with served(recorded) as url, page(browser, url, SIZE) as opened:
        expect(opened.locator(".slot").first).to_be_visible()
        opened.evaluate(WATCH)
        started, sent = time.time(), 0

        def feed() -> bool:
            nonlocal sent
            due = min(int((time.time() - started) * RATE), seconds * RATE)
            for number in range(sent, due):
                task, now = f"{number:08x}", time.time()
                if not number % 3:
                    run.waiting(task, at=now)
                run.receives(task, at=now)
                run.event("started", task, at=now)
                run.event("succeeded", task, runtime=0.001, result="None", at=now)
            following = [f"{number:08x}" for number in range(due, due + 30)]
            run.queue(*following, depth=1200 - due % 900)
            recorded.tell(run)
            sent = due
            return sent == seconds * RATE

        wait_until(feed, "all to be told", seconds + 10)
        return f"{RATE} tasks a second for {seconds} s: {told(opened, 3 * sent)}"


@click.command()
@click.option("--tasks", default=6000, show_default=True, help="That a worker drains.")
@click.option("--seconds", default=10, show_default=True, help="Of a recording.")
@click.option("--times", default=3, show_default=True, help="That each is repeated.")
def main(tasks: int, seconds: int, times: int) -> None:
    """Print the longest frame, and how many frames took longer than 50 ms."""
    print(f"load before: {os.getloadavg()}")
    with (
        tempfile.TemporaryDirectory() as folder,
        Deployment(Path(folder)) as deployment,
        chromium() as browser,
    ):
        for _ in range(times):
            print(with_a_worker(browser, deployment, tasks), flush=True)
        for _ in range(times):
            print(with_a_recording(browser, seconds), flush=True)
    print(f"load after: {os.getloadavg()}")


if __name__ == "__main__":
    main()
