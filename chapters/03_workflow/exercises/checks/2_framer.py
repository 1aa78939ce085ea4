"""Start a frame service, have frames ordered, and look when the worker came."""

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
BUSY = {"beach": [2], "storm": [0] * 99}  # by photo: a Retry-After for each visit
ATTEMPTS = 5
SLACK = 6  # seconds, for a machine that has other things to do
LOOK = "Look at order_frame."


class Visit(NamedTuple):
    """What was asked of the service, and when."""

    photo: str
    at: float


class FrameService:
    """Notes each visit, and makes frames."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.frames: list[str] = []  # the photo of each
        self.numbers: dict[str, int] = {}  # of frames, by the names chosen for them
        self.app = Flask("frames")
        self.app.post("/frames")(self.frame)
        self.app.put("/frames/<path:name>")(self.frame)

    def open(self, port: int) -> None:
        """Answer from now on."""
        server = make_server("127.0.0.1", port, self.app, threaded=True)
        Thread(target=server.serve_forever, daemon=True).start()

    def frame(self, name: str | None = None) -> Any:
        """Make a frame, unless there is one of this name; answer 503 or its number."""
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
        waits = BUSY.get(photo, [])
        if visit <= len(waits):
            return Response(status=503, headers={"Retry-After": str(waits[visit - 1])})
        return {"frame": number}, 200 if known else 201

    def times(self, photo: str) -> int:
        """Return how often it was asked for a photo."""
        return sum(visit.photo == photo for visit in self.visits)

    def came(self, photo: str, visit: int) -> float:
        """Return when it was asked for a photo the first (0) or another time."""
        return [at for name, at in self.visits if name == photo][visit]


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Order frames: first while nobody listens, then while the service is busy."""
    port = probes.free_port()
    service, app = FrameService(), create_app()
    celery = app.extensions["celery"]
    app.test_cli_runner().invoke(
        args=["init-db"]
    )  # tasks look whether they're cancelled
    chapter_run.add("worker", worker(port, answer))
    chapter_run.start("worker")

    lake = celery.send_task(NAME, ["lake"])
    end(celery.send_task("tasks.my_task", [1, 2]))  # one process: it has tried by now
    assert not lake.ready(), (
        f"Expected another attempt after a second, when nobody listens. {LOOK} "
        f"{said(lake)}"
    )
    service.open(port)
    fog, beach, dunes, storm = (
        celery.send_task(NAME, [photo]) for photo in ("fog", "beach", "dunes", "storm")
    )
    end(lake)
    assert lake.state == "SUCCESS", (
        f"Expected a frame once the service listens. {LOOK} {said(lake)}"
    )

    end(beach)
    assert service.times("beach") > 1, (
        f"Expected another attempt after 503 with Retry-After: 2, but there was none. "
        f"{LOOK} {said(beach)}"
    )
    seconds = service.came("beach", 1) - service.came("beach", 0)
    assert 2 <= seconds < 2 + SLACK, (
        f"Expected another attempt 2 seconds after 503 with Retry-After: 2, but it "
        f"came after {seconds:.1f} s. {LOOK}"
    )
    assert beach.state == "SUCCESS", f"Expected a frame at last. {LOOK} {said(beach)}"
    end(dunes)
    assert service.came("dunes", 0) < service.came("beach", 1), (
        "Expected the worker to order the dunes while it waits for the beach, but it "
        f"did nothing else meanwhile. {LOOK} It must not sleep."
    )

    assert (fog.state, service.times("fog")) == ("FAILURE", 1), (
        f"Expected FAILURE after one attempt when the service answers 422, but got "
        f"{fog.state} after {service.times('fog')}. {LOOK}"
    )
    end(storm)
    assert (storm.state, service.times("storm")) == ("FAILURE", ATTEMPTS), (
        f"Expected FAILURE after {ATTEMPTS} attempts when the service always answers "
        f"503, but got {storm.state} after {service.times('storm')}. "
        "Look at max_retries."
    )
    seconds = service.came("storm", ATTEMPTS - 1) - service.came("storm", 0)
    assert seconds < SLACK, (
        f"Expected no wait for Retry-After: 0, but {ATTEMPTS} attempts took "
        f"{seconds:.0f} s. {LOOK}"
    )

    end(again := celery.send_task(NAME, ["beach"]))
    made = service.frames.count("beach")
    assert made == 1, (
        f"Expected one frame for a photo, though it was asked for three times, but the "
        f"service made {made}. Look at request_frame."
    )
    number = service.frames.index("beach") + 1
    assert again.result == beach.result == number, (
        f"Expected the number {number} each time, but got {beach.result} and "
        f"{again.result}. {LOOK}"
    )


def worker(port: int, answer: Path) -> str:
    """Return the command of a worker that knows the answer's task, and the service."""
    return (
        f"LAB_FRAMER=http://127.0.0.1:{port} "
        f"PYTHONPATH={shlex.quote(str(answer.parent))} "
        f"celery -A make_celery worker --include {answer.stem} "
        "--concurrency 1 --without-mingle --without-gossip"
    )


def end(result: AsyncResult[Any]) -> None:
    """Wait for the end of a task, if it comes."""
    with suppress(TimeoutError):
        result.get(timeout=SLACK, propagate=False)


def said(result: AsyncResult[Any]) -> str:
    """Say how a task is doing."""
    return f"Yours is in state {result.state}: {result.result}".rstrip(".") + "."
