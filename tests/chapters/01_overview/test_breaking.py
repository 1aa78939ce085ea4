"""What the lesson's table says of a worker that is stopped, of a process and a worker killed."""

import time

import httpx
import psutil
import pytest
import redis

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

pytestmark = pytest.mark.slow

LONG = 90  # seconds; six photos take about six on a machine that does nothing else


@pytest.fixture
def six(lab: ChapterRun, client: httpx.Client, sample_photo: bytes) -> list[str]:
    """Order six photos, and wait until two of them are being developed."""
    upload = {"photo": sample_photo}
    answers = [client.post(f"{lab.url}/background", files=upload) for _ in range(6)]
    addresses = [lab.url + answer.headers["Location"] for answer in answers]
    wait_until(lambda: states(client, addresses).count("STARTED") == 2, "two to be begun", LONG)
    return addresses


def states(client: httpx.Client, addresses: list[str]) -> list[str]:
    return [client.get(address).json()["state"] for address in addresses]


def pool_processes(lab: ChapterRun) -> list[psutil.Process]:
    """Return the worker's processes that do tasks: the children of the worker itself."""
    everybody = lab.services["worker"].process_tree()
    parents = {process.ppid() for process in everybody}
    return [process for process in everybody if process.pid not in parents]


def test_a_stopped_worker_finishes_two_and_hands_four_back(
    lab: ChapterRun, client: httpx.Client, six: list[str]
) -> None:
    lab.stop("worker")
    after_stop = sorted(states(client, six))
    lab.start("worker")

    assert after_stop == ["PENDING"] * 4 + ["SUCCESS"] * 2
    wait_until(lambda: states(client, six) == ["SUCCESS"] * 6, "all six", LONG)


def test_a_killed_process_fails_its_photo_and_all_others_are_developed(
    lab: ChapterRun, client: httpx.Client, six: list[str]
) -> None:
    processes = pool_processes(lab)
    killed = time.monotonic()
    processes[0].kill()
    wait_until(lambda: "FAILURE" in states(client, six), "a failure", LONG)
    seconds = time.monotonic() - killed
    wait_until(lambda: states(client, six).count("SUCCESS") == 5, "the other five", LONG)

    found = [client.get(address).json() for address in six]
    errors = [status["error"]["type"] for status in found if status["state"] == "FAILURE"]
    assert len(processes) == 2
    assert errors == ["WorkerLostError"]
    assert seconds < 15, "about four, on a machine that does nothing else"
    assert len(pool_processes(lab)) == 2, "the worker has started another process"


def test_a_killed_worker_loses_two_and_keeps_four_for_an_hour(
    lab: ChapterRun, client: httpx.Client, six: list[str]
) -> None:
    lab.kill("worker")
    lab.start("worker")
    numbers = {"arg1": "1", "arg2": "2"}
    later = lab.url + client.post(f"{lab.url}/my-task", data=numbers).headers["Location"]
    wait_until(lambda: states(client, [later]) == ["SUCCESS"], "a later order", LONG)
    broker = redis.Redis.from_url(lab.broker_url)
    unacknowledged, queued = broker.hlen("unacked"), broker.llen("celery")
    broker.delete("unacked", "unacked_index")

    assert sorted(states(client, six)) == ["PENDING"] * 4 + ["STARTED"] * 2
    assert (unacknowledged, queued) == (4, 0)
