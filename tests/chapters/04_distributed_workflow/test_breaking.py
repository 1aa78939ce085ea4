"""What breaks: a worker, and a process of one, in the middle of an album."""

import io
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from PIL import Image

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

PHOTOS = 15  # more than a worker of two fetches ahead


@pytest.fixture(scope="module")
def medium_photo() -> bytes:
    """Return a photo that takes a quarter of a second: time to look, and no more."""
    file = io.BytesIO()
    Image.effect_noise((640, 480), 90).convert("RGB").save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(params=["redis", "rabbitmq"])
def lab_of_a_broker(request: pytest.FixtureRequest, labs: Any) -> Iterator[ChapterRun]:
    lab: ChapterRun = labs(request.param, "redis")
    yield lab
    lab.start_all()


def pool_of(lab: ChapterRun) -> list[psutil.Process]:
    """Return the two processes in which the worker does its tasks."""
    processes = lab.services["worker"].process_tree()
    parents = {process.ppid() for process in processes}
    children = [process for process in processes if process.pid not in parents]
    assert len(children) == 2
    return children


class AlbumToBreak:
    """An album on order, whose photos' states are looked at while its worker is broken."""

    def __init__(self, api: Any, photo: bytes) -> None:
        self.api, self.lab = api, api.lab
        self.path = api.new_album(*[photo] * PHOTOS)
        api.order(self.path)

    def states(self) -> dict[str, str]:
        """Return the states of the photos' orders."""
        parts = self.api.get(self.path)["orders"][:PHOTOS]
        return {part["id"]: part["state"] for part in parts}

    def in_state(self, state: str) -> set[str]:
        return {order for order, found in self.states().items() if found == state}

    def is_in_the_middle(self) -> bool:
        """Stop the clock, so to say, when some are done and two are being developed."""
        for process in pool_of(self.lab):
            process.suspend()
        answer = self.api.client.get(self.api.url + self.path)
        # One that stands still while it writes holds the lab's own database (SQLite): not now.
        parts = answer.json()["orders"][:PHOTOS] if answer.status_code == 200 else []
        found = [part["state"] for part in parts]
        if found.count("SUCCESS") >= 1 and found.count("STARTED") == 2:
            return True
        for process in pool_of(self.lab):
            process.resume()
        return False

    def fetched(self) -> set[str]:
        """Return the orders whose messages the worker holds, and hasn't begun.

        A process of its own asks: connections of this one may be dead, since brokers are stopped.
        """
        command = ["celery", "-A", "make_celery", "inspect", "reserved", "--json"]
        env, folder = os.environ | self.lab.env, self.lab.chapter.path
        printed = subprocess.check_output(command, cwd=folder, env=env, timeout=60)
        workers: dict[str, list[dict[str, str]]] = json.loads(printed)
        return {task["id"] for tasks in workers.values() for task in tasks}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_worker_is_killed_in_the_middle_of_an_album(
    lab_of_a_broker: ChapterRun, make_api: Any, medium_photo: bytes
) -> None:
    """What it had begun is lost, so the sheet never comes; ordering again heals."""
    lab, api = lab_of_a_broker, make_api(lab_of_a_broker)
    album = AlbumToBreak(api, medium_photo)
    wait_until(album.is_in_the_middle, "the first photo, with two more at work", 90)
    fetched = album.fetched()
    lab.kill("worker")
    begun, waiting = album.in_state("STARTED"), album.in_state("PENDING")
    assert len(begun) == 2, "a photo in each of its two processes"
    assert len(fetched) >= 6, "it had fetched more than it had begun"
    assert fetched < waiting, "and the queue holds the rest"

    on_rabbitmq = lab.broker_url.startswith("amqp")
    lost = begun if on_rabbitmq else begun | fetched  # Redis keeps those for an hour, for nobody
    lab.start("worker")
    wait_until(lambda: len(album.in_state("SUCCESS")) == PHOTOS - len(lost), "the others", 120)
    expect_nothing_moves(api, medium_photo)
    assert set(album.states()) - album.in_state("SUCCESS") == lost
    assert album.in_state("STARTED") == begun, "for ever"
    found = api.get(album.path)
    assert (found["state"], found["error"], found["sheet"]) == ("STARTED", None, None)
    assert [part["state"] for part in found["orders"][PHOTOS:]] == ["PENDING"] * 2
    assert found["progress"] == {"done": PHOTOS - len(lost), "total": PHOTOS + 2}

    api.order(album.path)
    healed = api.until(album.path, "SUCCESS", seconds=120)
    assert {part["state"] for part in healed["orders"][:PHOTOS]} == {"SUCCESS"}


def expect_nothing_moves(api: Any, photo: bytes) -> None:
    """Order another album, which comes last: when it is done, nothing is left before it."""
    assert api.published(photo, seconds=60)["state"] == "SUCCESS"


@pytest.mark.slow
def test_an_album_of_a_killed_worker_can_be_cancelled(
    api: Any, lab: ChapterRun, sample_photo: bytes
) -> None:
    """Nobody is there to hear of it; the page no longer waits for what is lost."""
    album = api.new_album(*[sample_photo] * 4)
    api.order(album)
    api.until(album, "STARTED", seconds=60)
    lab.kill("worker")
    answer = api.delete(f"{album}/orders")

    assert (answer.status_code, answer.json()["state"]) == (202, "REVOKED")
    lab.start("worker")
    assert api.get(album)["state"] == "REVOKED"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_killed_process_fails_its_photo_and_the_album_says_so(
    api: Any, sample_photo: bytes
) -> None:
    """The worker lives, and writes down what happened: so this album isn't lost in silence."""
    album = api.new_album(*[sample_photo] * 3)
    api.order(album)
    api.until(album, "STARTED", seconds=60)
    for process in pool_of(api.lab):
        process.kill()

    found = api.until(album, "FAILURE", seconds=60)
    assert found["error"]["type"] == "ChordError"
    assert found["error"]["message"].startswith("A task before it failed")
    assert "WorkerLostError" in {part["error"]["type"] for part in found["orders"] if part["error"]}
    api.order(album)
    assert api.until(album, "SUCCESS", seconds=90)["error"] is None
