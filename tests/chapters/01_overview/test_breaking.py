"""What the lesson's "Try it" says of a worker that is stopped, or killed, in the middle."""

import httpx
import pytest
import redis

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

pytestmark = pytest.mark.slow


@pytest.fixture
def six(lab: ChapterRun, client: httpx.Client, sample_photo: bytes) -> list[str]:
    """Order six photos, and wait until two of them are being developed."""
    addresses = [
        lab.url
        + client.post(f"{lab.url}/background", files={"photo": sample_photo}).headers["Location"]
        for _ in range(6)
    ]
    wait_until(lambda: states(client, addresses).count("STARTED") == 2, "two to be begun")
    return addresses


def states(client: httpx.Client, addresses: list[str]) -> list[str]:
    return [client.get(address).json()["state"] for address in addresses]


def test_a_stopped_worker_finishes_two_and_hands_four_back(
    lab: ChapterRun, client: httpx.Client, six: list[str]
) -> None:
    lab.stop("worker")
    assert sorted(states(client, six)) == ["PENDING"] * 4 + ["SUCCESS"] * 2
    lab.start("worker")
    wait_until(lambda: states(client, six) == ["SUCCESS"] * 6, "all six")


def test_a_killed_worker_loses_two_and_keeps_four_for_an_hour(
    lab: ChapterRun, client: httpx.Client, six: list[str]
) -> None:
    lab.kill("worker")
    lab.start("worker")
    later = client.post(f"{lab.url}/my-task", data={"arg1": 1, "arg2": 2}).headers["Location"]
    wait_until(lambda: states(client, [lab.url + later]) == ["SUCCESS"], "a later order")
    assert sorted(states(client, six)) == ["PENDING"] * 4 + ["STARTED"] * 2

    broker = redis.Redis.from_url(lab.broker_url)
    assert broker.hlen("unacked") == 4
    assert broker.llen("celery") == 0
    broker.delete("unacked", "unacked_index")
