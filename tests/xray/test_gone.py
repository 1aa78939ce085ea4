"""The X-ray, when a worker, a process or another X-ray is gone: what is known is shown, at once."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import group, signature
from playwright.sync_api import expect

from tests.support.browser import WIDE, chromium, page
from tests.support.deployment import FACTS, Deployment, listen, xray
from tests.support.waiting import wait_until
from tests.xray.test_observer import on_rabbitmq, some, tells, until
from tests.xray.test_server import OURS, listeners_on, pause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
VISIBILITY_TIMEOUT = 25


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    env = {"VISIBILITY_TIMEOUT": str(VISIBILITY_TIMEOUT)}
    with Deployment(tmp_path, "--concurrency 2 --prefetch-multiplier 2", env=env) as started:
        yield started


def restart(deployment: Deployment) -> None:
    """Kill the worker with all its processes, and start another of the same name."""
    deployment.worker.kill_tree()
    deployment.worker.launch()
    deployment.worker.wait()


def until_done(facts: FACTS, task: str) -> None:
    """Wait until a task has come back, and is done."""
    wait_until(lambda: some(facts, of="event", type="succeeded", id=task), f"{task} done", 60)


def test_what_a_killed_worker_had_is_left_behind_or_lost_and_comes_back(
    deployment: Deployment,
) -> None:
    with xray(deployment, *OURS) as url, listen(url) as facts, chromium() as browser:
        until(facts, of="worker", alive=True)
        ids = deployment.send("sleep", 6, 4)
        begun = {until(facts, of="process", id=each)["id"] for each in ids[:2]}
        wait_until(lambda: deployment.redis.hlen("unacked") == 4, "the worker to hold four")
        delivered = time.time()
        restart(deployment)
        left = [until(facts, of="left_behind", id=each) for each in ids[2:]]
        lost = [until(facts, of="lost", id=each) for each in ids[:2]]

        assert {fact["id"] for fact in lost} == begun
        assert all("is gone" in fact["why"] for fact in [*left, *lost])
        assert all(abs(fact["back"] - delivered - VISIBILITY_TIMEOUT) < 10 for fact in left)
        with page(browser, url, WIDE) as shown:
            expect(shown.locator("#broker .task.left-behind")).to_have_count(4)
            expect(shown.locator("#backend .task.lost")).to_have_count(2)
            expect(shown.locator("#worker .task")).to_have_count(0)
            expect(shown.locator("#tally .lost b")).to_have_text("2")

        for each in ids[2:]:
            until_done(facts, each)
        ends = Counter(fact["of"] for fact in facts if fact["of"] in ("lost", "left_behind"))
        assert ends == {"lost": 2, "left_behind": 4}, "each is told once"


def test_of_a_group_that_is_lost_each_task_is_known(tmp_path: Path) -> None:
    """Its messages may be too fast to be seen: then the stored STARTED says to what they belong."""
    with (
        Deployment(tmp_path, "--concurrency 3", env={"TRACK_STARTED": "1"}) as deployment,
        xray(deployment, *OURS) as url,
        listen(url) as facts,
    ):
        until(facts, of="worker", alive=True)
        naps = [signature("sleep", (60,), app=deployment.app) for _ in range(3)]
        sent: Any = group(naps, app=deployment.app).apply_async()
        ids = [task.id for task in sent.children]
        for each in ids:
            until(facts, of="process", id=each)
        wait_until(lambda: all(of_group(facts, each) for each in ids), "the group of each")
        deployment.worker.kill_tree()
        for each in ids:
            until(facts, of="lost", id=each)


def of_group(facts: FACTS, task: str) -> set[str]:
    """Return the groups that a task belongs to, as far as it was seen."""
    return {fact["group"] for fact in facts if fact.get("id") == task and fact.get("group")}


def test_a_process_that_is_killed_is_seen_at_once(deployment: Deployment) -> None:
    """Its worker tells within some seconds: it may be the first to do so."""
    with xray(deployment, *OURS) as url, listen(url) as facts:
        until(facts, of="worker", alive=True)
        (begun,) = deployment.send("sleep", 1, 60)
        pid = until(facts, of="process", id=begun)["pid"]
        os.kill(pid, signal.SIGKILL)
        killed = time.time()
        failed = until(facts, of="event", type="failed", id=begun)
    died = some(facts, of="died", id=begun, pid=pid)
    assert min(fact["at"] for fact in (*died, failed)) < killed + 2
    assert all(fact["n"] < failed["n"] for fact in died)
    assert not some(facts, of="lost", id=begun), "its worker has told"


def test_a_scheduled_task_that_is_revoked_is_told_before_its_time(deployment: Deployment) -> None:
    with xray(deployment, *OURS) as url, listen(url) as facts, chromium() as browser:
        until(facts, of="worker", alive=True)
        (later,) = deployment.send("sleep", 1, 0, countdown=600)
        until(facts, of="event", type="received", id=later)
        deployment.tell("revoke", task_id=later)
        until(facts, of="revoked", id=later)
        with page(browser, url, WIDE) as shown:
            card = shown.locator(f".task[data-id='{later}']")
            expect(card.locator(".brief")).to_have_text("revoked")


def test_when_the_last_page_is_closed_a_paused_worker_is_resumed(deployment: Deployment) -> None:
    with xray(deployment, *OURS) as url:
        with listen(url) as facts:
            pause(url, facts)
            deployment.send("note", 1, "later")
            until(facts, of="queue", queue="celery", depth=1)
        wait_until(lambda: deployment.notes.exists(), "the worker to take it")


def test_events_that_a_killed_xray_left_on_are_switched_off_by_the_next(
    deployment: Deployment,
) -> None:
    with xray(deployment) as url, listen(url) as facts:
        until(facts, of="worker", alive=True)
        (process,) = wait_until(lambda: listeners_on(url), "its process to be found")
        psutil.Process(process).kill()
    assert tells(deployment)
    with xray(deployment):
        pass  # one whose page nobody opens leaves that to the next
    with xray(deployment) as url, listen(url) as facts:
        until(facts, of="worker", alive=True)
    assert not tells(deployment)


def test_what_rabbitmq_has_given_back_waits_again(tmp_path: Path) -> None:
    """It does so when the connection of the worker ends that had fetched it."""
    deployment = on_rabbitmq(tmp_path)
    with deployment, xray(deployment, *OURS) as url, listen(url) as facts:
        until(facts, of="worker", alive=True)
        begun, *fetched = deployment.send("sleep", 4, 3)
        until(facts, of="process", id=begun)
        for each in fetched:
            until(facts, of="event", type="received", id=each)
        deployment.worker.kill_tree()
        for each in fetched:
            assert until(facts, of="given_back", id=each)["queue"] == "celery"
        assert "If it acknowledges late" in until(facts, of="lost", id=begun)["why"]
        deployment.worker.launch()
        deployment.worker.wait()
        for each in fetched:
            until(facts, of="event", type="succeeded", id=each)
    assert not some(facts, of="left_behind")
