"""Workers of other kinds than most, and what a button does to messages with priorities."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import WIDE, chromium, page
from tests.support.deployment import FACTS, Deployment, listen, xray
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
OURS = ("--run", str(os.getpid()))  # the deployment's worker is a child of ours
Start = Callable[[str], Deployment]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def latest(facts: FACTS, **wanted: Any) -> dict[str, Any]:
    """Return the latest fact that says this; nothing if none does."""
    return next((fact for fact in reversed(facts) if wanted.items() <= fact.items()), {})


def do(url: str, **what: object) -> httpx.Response:
    return httpx.post(f"{url}/controls", json=what, timeout=20)


def test_a_solo_worker_is_not_gone_while_it_works(browser: Browser, tmp_path: Path) -> None:
    """It works in the process that would give signs of life, and tells of a task at its end."""
    with (
        Deployment(tmp_path, "-P solo") as deployment,
        xray(deployment, *OURS) as url,
        listen(url) as facts,
        page(browser, url, WIDE) as opened,
    ):
        expect(opened.get_by_text("solo, 1 process")).to_be_visible()
        expect(opened.locator(".kill")).to_be_hidden()
        (long,) = deployment.send("sleep", 1, 10)
        running = opened.locator(f".slot .task[data-id='{long}']")
        expect(running).to_have_class(re.compile("running guessed"))
        opened.get_by_role("button", name="Pause").click()
        busy = opened.get_by_text("It gives no sign of life: a task keeps it busy.")
        expect(busy).to_be_visible(timeout=15_000)
        expect(opened.locator("#backend .task.done")).to_have_count(1, timeout=15_000)
        expect(opened.locator(".paused")).to_be_visible(timeout=15_000)
        expect(busy).to_be_hidden()
        assert not latest(facts, of="lost")
        assert not latest(facts, of="worker", alive=False)
        deployment.send("noop")
        expect(opened.locator("#broker .brief")).to_have_text("next")
        opened.get_by_role("button", name="Let one through").click()
        expect(opened.locator("#backend .task.done")).to_have_count(2)
        opened.get_by_role("button", name="Resume").click()
        expect(opened.locator(".paused")).to_be_hidden()
        deployment.worker.kill_tree()
        expect(opened.get_by_text("gone: it gives no sign of life")).to_be_visible()


def test_threads_are_no_processes_that_could_be_killed(browser: Browser, tmp_path: Path) -> None:
    with (
        Deployment(tmp_path, "-P threads -c 2") as deployment,
        xray(deployment, *OURS) as url,
        listen(url) as facts,
        page(browser, url, WIDE) as opened,
    ):
        slots = opened.locator(".slot .pid")
        expect(slots).to_have_text(["thread 1", "thread 2"])
        (task,) = deployment.send("sleep", 1, 2)
        wait_until(lambda: latest(facts, of="process", id=task), "the process to be known")
        worker = latest(facts, of="worker")
        assert latest(facts, of="process", id=task)["pid"] == worker["pid"]
        opened.locator(f".task[data-id='{task}']").click()
        expect(opened.locator("#card .why")).to_contain_text(
            f"It runs in a thread of process {worker['pid']}"
        )
        assert opened.locator(".kill:visible").count() == 0
        answer = do(url, do="kill", worker=worker["worker"], pid=worker["pid"])
        assert answer.status_code == 409
        expect(opened.locator("#card .big")).to_contain_text("done")


def let_one_through(url: str, worker: str) -> None:
    assert do(url, do="one", worker=worker).status_code == 202


def test_what_was_let_through_in_vain_goes_back_to_its_priority(tmp_path: Path) -> None:
    """A worker that is busy doesn't take it: resumed, it does all, each once and in its turn."""
    with (
        Deployment(tmp_path, "-c 1 --prefetch-multiplier 1") as deployment,
        xray(deployment, *OURS) as url,
        listen(url) as facts,
    ):
        redis = deployment.redis
        wait_until(lambda: latest(facts, of="worker"), "the worker to be known")
        name = latest(facts, of="worker")["worker"]
        do(url, do="pause", worker=name)
        wait_until(lambda: latest(facts, of="worker")["paused"], "it to be paused")
        deployment.send("sleep", 1, 4)
        for text, priority in (("reserved", 6), ("vain", 6), ("last", 9)):
            deployment.send("note", 1, text, priority=priority)
        for taken in ("sleep", "reserved"):
            let_one_through(url, name)
            wait_until(lambda: not redis.llen(f"celery.xray.{name}"), f"{taken} to be taken")
        wait_until(lambda: redis.hlen("unacked") == 1, "one to be reserved")

        let_one_through(url, name)
        ours = f"celery.xray.{name}\x06\x166"
        assert redis.llen(ours) == 1

        assert do(url, do="resume", worker=name).status_code == 202
        assert (redis.llen(ours), redis.llen("celery\x06\x166")) == (0, 1)
        wait_until(lambda: len(said(deployment)) == 3, "all to be done")
        assert said(deployment) == ["reserved", "vain", "last"]
        assert [key for key in redis.scan_iter() if b"xray" in key] == []


def test_who_looks_again_sees_what_has_ended_and_what_still_runs(
    browser: Browser, tmp_path: Path
) -> None:
    with Deployment(tmp_path) as deployment, xray(deployment) as url:
        listeners = deployment.redis.pubsub_numpat()
        with page(browser, url, WIDE) as opened:
            expect(opened.locator(".slot")).to_have_count(2)
            deployment.worker_takes(False)
            (long,) = deployment.send("sleep", 1, 120)
            brief = deployment.send("noop", 50)
            expect(opened.locator("#broker .depth")).to_have_text("51")
        wait_until(lambda: deployment.redis.pubsub_numpat() == listeners, "nobody to look any more")
        deployment.worker_takes(True)
        keys = [f"celery-task-meta-{task}" for task in brief]
        wait_until(lambda: deployment.results.exists(*keys) == len(keys), "all but one to be done")
        with page(browser, url, WIDE) as opened:
            expect(opened.locator("#summary")).to_contain_text("1 running, 50 done · nobody looked")
            running = opened.locator(f".slot .task[data-id='{long}']")
            expect(running.locator(".state")).to_have_text("running")
            expect(opened.locator("#broker .task, #broker .face")).to_have_count(0)
        deployment.worker.kill_tree()  # rather than to wait for its task


def said(deployment: Deployment) -> list[str]:
    """Return what the tasks have noted, in their order."""
    return deployment.notes.read_text().split() if deployment.notes.exists() else []
