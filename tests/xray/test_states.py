"""What the test of truth has found, one by one: each was a card that wasn't so."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import WIDE, chromium, page
from tests.support.deployment import Deployment, listen, xray
from tests.support.waiting import wait_until
from tests.support.xray_recording import Recording
from tests.xray.test_observer import some, until
from tests.xray.test_server import OURS
from xray.facts import Facts
from xray.lost import Lost
from xray.redis_queues import RedisQueues
from xray.tasks import Tasks

pytestmark = pytest.mark.slow
Show = Callable[[Recording], Page]


# --- the page ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Give a function that shows a recording at its end."""
    opened: list[Any] = []

    def at_its_end(run: Recording) -> Page:
        opened.append(page(browser, run.save(tmp_path / "run.html"), WIDE))
        shown: Page = opened[-1].__enter__()
        shown.locator("#moment").focus()
        shown.keyboard.press("End")
        return shown

    yield at_its_end
    for each in opened:
        each.__exit__(None, None, None)


def card(shown: Page, task: str) -> Locator:
    return shown.locator(f"main .task[data-id='{task}']")


def test_a_scheduled_task_that_is_due_is_reserved(show: Show) -> None:
    run = Recording()
    run.worker()
    run.receives("later", eta=run.at + 5)
    run.receives("soon", eta=run.at + 1)
    run.at += 2
    run.starts("else")
    shown = show(run)
    expect(card(shown, "soon").locator(".state")).to_have_text("reserved")
    expect(card(shown, "later").locator(".state")).to_have_text("scheduled")
    expect(shown.locator("h4", has_text="reserved ahead: 1")).to_be_visible()


def test_a_task_that_gave_up_for_now_waits_in_a_queue(show: Show) -> None:
    run = Recording()
    run.worker()
    run.starts("again")
    run.event("retried", "again", error="BusyError('later')")
    shown = show(run)
    expect(shown.locator("#broker .task.retrying")).to_have_count(1)
    expect(shown.locator("#worker .task")).to_have_count(0)


def test_a_word_that_comes_after_the_next_message_moves_no_card(show: Show) -> None:
    run = Recording()
    run.worker()
    run.waiting("again")
    run.waiting("again", retries=1)  # who runs it hadn't been asked for events yet
    run.event("retried", "again")
    expect(card(show(run), "again")).to_have_class(re.compile("waiting"))


def test_who_has_the_next_try_keeps_it_when_the_last_one_ends_late(show: Show) -> None:
    run = Recording()
    run.worker()
    run.worker(worker="celery@other", processes=[21, 22], pid=20)
    run.starts("again")
    about: dict[str, Any] = {"task": "tasks.develop", "retries": 1, "eta": run.at + 60}
    run.add("event", type="received", id="again", worker="celery@other", **about)
    run.event("retried", "again")
    run.add("process", id="again", worker="celery@lab", pid=11, since=run.at - 1)
    shown = show(run)
    other = shown.locator(".worker", has_text="celery@other")
    expect(other.locator(".task.retrying")).to_have_count(1)


def test_the_next_try_counts_though_its_word_comes_after_that_of_the_last_one(show: Show) -> None:
    run = Recording()
    run.worker()
    run.worker(worker="celery@other", processes=[21, 22], pid=20)
    run.starts("again")
    before = run.at
    run.event("retried", "again", at=before + 0.5)
    about: dict[str, Any] = {"task": "tasks.develop", "retries": 1, "worker": "celery@other"}
    run.add("event", at=before + 0.4, type="received", id="again", **about)
    shown = show(run)
    other = shown.locator(".worker", has_text="celery@other")
    expect(other.locator(".task.held")).to_have_attribute("data-id", "again")


def test_what_was_called_lost_and_runs_is_running(show: Show) -> None:
    run = Recording()
    run.worker()
    run.starts("found")
    run.starts("done", pid=12)
    for task in ("found", "done"):
        run.add("lost", id=task, why="it was believed to be gone")
    run.add("process", id="found", worker="celery@lab", pid=11, since=run.at)
    run.add("result", id="done", state="SUCCESS", bytes=120, ttl=86400.0)
    shown = show(run)
    expect(shown.locator("#worker .task.running")).to_have_attribute("data-id", "found")
    expect(shown.locator("#backend .task.done")).to_have_attribute("data-id", "done")


def test_a_task_that_runs_on_is_not_called_revoked(show: Show) -> None:
    run = Recording()
    run.worker()
    run.starts("running")
    run.receives("held")
    for task in ("running", "held"):
        run.add("revoked", id=task)
    shown = show(run)
    expect(card(shown, "held").locator(".brief")).to_have_text("revoked")
    expect(card(shown, "running").locator(".brief")).not_to_have_text("revoked")


# --- the observer --------------------------------------------------------------------------------


def test_a_retrys_message_is_told_though_it_is_where_the_last_one_was() -> None:
    facts, tasks = Facts(), Tasks(100)
    queues = RedisQueues(None, facts, tasks, None, False)  # type: ignore[arg-type]  # it isn't asked
    for retries in (0, 0, 1, 1):
        headers = {"id": "again", "task": "again", "retries": retries}
        raw = repr(headers).replace("'", '"')
        queues._waits(f'{{"headers": {raw}}}'.encode(), "celery", {})
    assert [fact["retries"] for fact in some(facts, of="waiting")] == [0, 1]


def test_the_next_try_is_kept_when_the_last_one_ends_late() -> None:
    tasks = Tasks(100)
    tasks["again"].fetched_try = 1
    assert not tasks.gives_up("again")
    assert tasks.gives_up("again")


class Answers:
    """Answers for the workers, none of which has a task, and for the results, of which none is."""

    def __init__(self, gone: list[str]) -> None:
        self.gone = gone

    def holding(self) -> set[str]:
        """Return what workers have."""
        return set()

    def gone_since(self, _when: float) -> list[str]:
        """Return the workers that are gone."""
        return self.gone

    def state(self, _task: str) -> None:
        """Return the state that is stored."""


@pytest.mark.parametrize(("gone", "so"), [(["celery@lab"], [0, 0, 1]), ([], [0, 0, 0])])
def test_what_a_killed_worker_had_taken_unheard_is_lost(
    gone: list[str], so: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked for twice; if no worker is gone, one that tells nothing has done it."""
    facts, tasks = Facts(), Tasks(100)
    queues = RedisQueues(None, facts, tasks, None, False)  # type: ignore[arg-type]  # it isn't asked
    answers: Any = Answers(gone)
    lost = Lost(facts, tasks, answers, queues, answers)
    queues._have_left(["taken"])
    found = []
    for at in [time.time() + seconds for seconds in (0, 3, 6)]:
        monkeypatch.setattr(time, "time", lambda at=at: at)
        lost.look()
        found.append(len(some(facts, of="lost", id="taken")))
    assert found == so


# --- with workers --------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_what_runs_through_an_outage_is_not_called_lost(tmp_path: Path) -> None:
    """Its worker is silent meanwhile. (Some of Celery's releases end then, after their tasks.)"""
    with (
        Deployment(tmp_path, "--concurrency 1 --prefetch-multiplier 4") as deployment,
        xray(deployment, *OURS) as url,
        listen(url) as facts,
    ):
        until(facts, of="worker", alive=True)
        begun, *_ = deployment.send("sleep", 3, 20)
        until(facts, of="process", id=begun)
        deployment.server.halt()
        until(facts, of="broker", up=False)
        deployment.server.launch()
        deployment.server.wait()
        wait_until(lambda: some(facts, of="result", id=begun, state="SUCCESS"), "its result", 90)
        assert not some(facts, of="lost")
        deployment.worker.kill_tree()  # rather than to wait for the others
