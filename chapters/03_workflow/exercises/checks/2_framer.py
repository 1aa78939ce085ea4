"""Open a framer's shop, have frames ordered, and look when the worker came."""

import shlex
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from celery.exceptions import TimeoutError
from celery.result import AsyncResult
from flask import Flask, Response, request
from werkzeug.serving import make_server

from lab import create_app
from workbench import probes
from workbench.chapter_run import ChapterRun

NAME = "tasks.order_frame"
BUSY = {"beach": [2], "storm": [0] * 99}  # by photo: his wishes in seconds, one a visit
ATTEMPTS = 5
SLACK = 6  # seconds, for a machine that has other things to do


class Visit(NamedTuple):
    """What came to the shop, and when."""

    photo: str
    at: float


class Shop:
    """The framer: he writes visits down, and makes frames."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.frames: list[str] = []  # the photo of each
        self.numbers: dict[
            str, int
        ] = {}  # of frames, by the names that were chosen for them
        self.app = Flask("framer")
        self.app.post("/frames")(self.frame)
        self.app.put("/frames/<path:name>")(self.frame)

    def open(self, port: int) -> None:
        """Answer from now on."""
        server = make_server("127.0.0.1", port, self.app, threaded=True)
        Thread(target=server.serve_forever, daemon=True).start()

    def frame(self, name: str | None = None) -> Any:
        """Make a frame, unless there is one of this name; then look for the receipt."""
        photo = request.get_json()["photo"]
        self.visits.append(Visit(photo, time.monotonic()))
        visit = self.times(photo)
        if photo == "fog":
            return {"why": "there is nothing to see on it"}, 422
        number = self.numbers.get(name or "", len(self.frames) + 1)
        known = number <= len(self.frames)
        if not known:
            self.frames.append(photo)
            self.numbers |= {name: number} if name else {}
        if visit <= len(wishes := BUSY.get(photo, [])):
            return Response(status=503, headers={"Retry-After": str(wishes[visit - 1])})
        return {"frame": number}, 200 if known else 201

    def times(self, photo: str) -> int:
        """Return how often somebody came for a photo."""
        return sum(visit.photo == photo for visit in self.visits)

    def came(self, photo: str, visit: int) -> float:
        """Return when somebody came for a photo the first (0) or another time."""
        return [at for name, at in self.visits if name == photo][visit]


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Order frames: first while the shop is closed, then while the framer is busy."""
    port = probes.free_port()
    shop, app = Shop(), create_app()
    celery = app.extensions["celery"]
    app.test_cli_runner().invoke(
        args=["init-db"]
    )  # each task looks whether it was taken back
    chapter_run.add("worker", worker(port, answer))
    chapter_run.start("worker")

    lake = celery.send_task(NAME, ["lake"])
    end(
        celery.send_task("tasks.my_task", [1, 2])
    )  # there is one process: it has tried by now
    assert not lake.ready(), (
        f"Nobody opens: the task tries again after a second. {said(lake)}"
    )
    shop.open(port)
    fog, beach, dunes, storm = (
        celery.send_task(NAME, [photo]) for photo in ("fog", "beach", "dunes", "storm")
    )
    end(lake)
    assert lake.state == "SUCCESS", (
        f"When the framer opens again, he gets the order. {said(lake)}"
    )

    end(beach)
    assert shop.times("beach") > 1, (
        f"The framer said 503 and Retry-After: 2, but nobody came again. {said(beach)}"
    )
    seconds = shop.came("beach", 1) - shop.came("beach", 0)
    assert 2 <= seconds < 2 + SLACK, (
        f"The framer said Retry-After: 2. Yours came again after {seconds:.1f} s."
    )
    assert beach.state == "SUCCESS", (
        f"The framer makes the frame at last. {said(beach)}"
    )
    end(dunes)
    assert shop.came("dunes", 0) < shop.came("beach", 1), (
        "While the framer is busy, the worker does something else. Yours waited in the street: the "
        "order for the dunes, sent next, came only after the second attempt for the beach."
    )

    assert (fog.state, shop.times("fog")) == ("FAILURE", 1), (
        f"The framer said 422: the task fails, and doesn't come again. Yours came "
        f"{shop.times('fog')} times, and is in state {fog.state}."
    )
    end(storm)
    assert (storm.state, shop.times("storm")) == ("FAILURE", ATTEMPTS), (
        f"Where the framer says 503 to all, the task comes {ATTEMPTS} times, and fails. Yours came "
        f"{shop.times('storm')} times, and is in state {storm.state}."
    )
    seconds = shop.came("storm", ATTEMPTS - 1) - shop.came("storm", 0)
    assert seconds < SLACK, (
        f"Retry-After: 0 is a wish, too. Yours took {seconds:.0f} s for 5 times."
    )

    end(again := celery.send_task(NAME, ["beach"]))
    made = shop.frames.count("beach")
    assert made == 1, (
        f"A photo gets one frame: also if a receipt is mislaid, or the task is sent again. With "
        f"yours the framer made {made}."
    )
    assert again.result == beach.result == shop.frames.index("beach") + 1, (
        f"Sent again, the task returns the same number. Yours: {beach.result}, {again.result}."
    )


def worker(port: int, answer: Path) -> str:
    """Return the command that starts a worker which knows the answer's task, and the framer."""
    return (
        f"LAB_FRAMER=http://127.0.0.1:{port} PYTHONPATH={shlex.quote(str(answer.parent))} "
        f"celery -A make_celery worker --include {answer.stem} "
        "--concurrency 1 --without-mingle --without-gossip"
    )


def end(result: AsyncResult[Any]) -> None:
    """Wait for the end of a task, if it comes."""
    with suppress(TimeoutError):
        result.get(timeout=SLACK, propagate=False)


def said(result: AsyncResult[Any]) -> str:
    """Say how a task stands."""
    return f"Yours is in state {result.state}: {result.result}".rstrip(".") + "."
