"""A long task: how far it is, how it is stopped, and what `watch.py` shows of tasks."""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded
from PIL import Image

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

Run = Callable[..., str]
QUICK = "--without-mingle --without-gossip --loglevel INFO"
PHOTOS = 16  # small ones: together they take a second or two to pack


@pytest.fixture(scope="module")
def paths() -> list[str]:
    return []


@pytest.fixture
def album(api: Any, small_photo: bytes, paths: list[str]) -> str:
    """Return an album that takes a few seconds to pack, the same for all tests of this file."""
    if not paths:
        names = f"{'x' * 60}"
        paths.append(api.ordered(*[small_photo] * PHOTOS, name=names, seconds=30)["id"])
    path = f"/albums/{paths[0]}"
    (api.lab.folder / f"lab{path}/album.zip").unlink(missing_ok=True)
    return path


def pack(api: Any, album: str) -> str:
    """Order a zip; return where to ask for it, once some of it is done."""
    order: str = api.accepted(api.post(f"{album}/zip"))
    wait_until(lambda: done(api, order) > 1, "the first photos to be packed")
    return order


def done(api: Any, order: str) -> int:
    progress = api.get(order)["progress"]
    return int(progress["done"]) if progress else 0


# --- how far it is -------------------------------------------------------------------------------


def test_packing_says_how_far_it_is(api: Any, album: str) -> None:
    order = api.accepted(api.post(f"{album}/zip"))
    seen: list[dict[str, Any]] = []

    def look() -> bool:
        seen.append(api.get(order))
        return bool(seen[-1]["state"] == "SUCCESS")

    wait_until(look, "the album to be packed", 30)
    working = [status for status in seen if status["state"] == "PROGRESS"]
    assert working
    steps = [status["progress"]["done"] for status in working]
    assert steps == sorted(steps)
    assert len(set(steps)) > 3, steps
    assert 0 <= steps[0] < steps[-1] < PHOTOS
    for status in working:
        assert list(status["progress"]) == ["done", "total"]
        assert status["progress"]["total"] == PHOTOS
        assert (status["result"], status["error"]) == (None, None)
    result = seen[-1]["result"]
    assert (result["done"], result["total"], seen[-1]["progress"]) == (PHOTOS, PHOTOS, None)

    file = api.client.get(f"{api.url}{album}/album.zip").content
    assert len(file) == result["bytes"]
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        assert archive.namelist() == [f"{number:02}.png" for number in range(1, PHOTOS + 1)]
        assert archive.testzip() is None
        with Image.open(io.BytesIO(archive.read("01.png"))) as picture:
            assert picture.format == "PNG"
            assert picture.size == (1200 + 120, 1600 + 200), "the large print in its frame"
    assert api.parts() == []


def test_only_what_is_developed_is_packed(api: Any, small_photo: bytes) -> None:
    album = api.ordered(small_photo, small_photo[:-300], small_photo)
    result = api.until(api.accepted(api.post(f"/albums/{album['id']}/zip")), "SUCCESS")
    assert result["result"]["total"] == 2
    file = api.client.get(f"{api.url}/albums/{album['id']}/album.zip").content
    assert zipfile.ZipFile(io.BytesIO(file)).namelist() == ["01.png", "02.png"]


# --- how it is stopped ---------------------------------------------------------------------------


def test_a_packing_that_is_taken_back_stops_soon_and_leaves_nothing(api: Any, album: str) -> None:
    order = pack(api, album)
    assert len(api.parts()) == 1
    answer = api.delete(order)
    assert answer.status_code == 202
    status = api.until(order, "REVOKED", seconds=3)  # a photo's time: a tenth of a second
    assert status["error"] == {"type": "TaskRevokedError", "message": "taken back"}
    assert (status["result"], status["progress"]) == (None, None)
    wait_until(lambda: not api.parts(), "the unfinished file to be gone", 3)
    found = api.get(album)
    assert (found["zip"], found["packing"]) == (None, status)
    assert found["state"] == "SUCCESS", "the album itself is as it was"


def test_revoke_does_nothing_to_a_task_that_runs(api: Any, album: str, celery: Celery) -> None:
    order = pack(api, album)
    (answer,) = celery.control.revoke(order[7:], reply=True, limit=1) or []
    assert "flagged as revoked" in str(answer)
    assert order[7:] in str(answer)
    assert api.until(order, "SUCCESS", seconds=30)["result"]["done"] == PHOTOS
    assert api.get(album)["zip"]


@pytest.mark.parametrize(("signal", "leaves"), [("SIGTERM", 0), ("SIGKILL", 1)])
def test_terminate_stops_a_task_at_once_and_only_a_kill_leaves_what_it_had_begun(
    api: Any, album: str, celery: Celery, signal: str, leaves: int
) -> None:
    """SIGTERM ends the process by an exception (SystemExit): the task's `finally` still runs."""
    order = pack(api, album)
    worker = api.lab.services["worker"].pid
    celery.control.revoke(order[7:], terminate=True, signal=signal)
    status = api.until(order, "REVOKED", seconds=3)
    assert status["error"] == {"type": "TaskRevokedError", "message": "terminated"}
    again = [api.accepted(api.post("/my-task", arg1=2, arg2=3)) for _ in range(4)]
    assert [api.until(order, "SUCCESS")["result"] for order in again] == [5] * 4
    assert api.lab.services["worker"].pid == worker, "the worker goes on, with a new process"

    assert [part.stem for part in api.parts()] == [order[7:]] * leaves
    assert api.get(album)["zip"] is None
    assert api.get(order) == status, "for good"
    for part in api.parts():
        part.unlink()  # clean_up would do so in an hour


# --- time limits ---------------------------------------------------------------------------------


def test_a_soft_time_limit_lets_a_task_tidy_up(api: Any, album: str, celery: Celery) -> None:
    options: dict[str, Any] = {"queue": "lab", "soft_time_limit": 0.5}
    result = celery.send_task("tasks.pack", [album.removeprefix("/albums/")], **options)
    with pytest.raises(SoftTimeLimitExceeded):
        result.get(timeout=20)
    assert result.state == "FAILURE"
    assert api.parts() == []
    assert api.get(album)["zip"] is None


STUBBORN = """
import time
from celery import Celery
app = Celery("stubborn")
app.conf.task_default_queue = "stubborn"

def work():
    while True:
        time.monotonic()

@app.task(name="swallows", soft_time_limit=1, time_limit=3)
def swallows():
    try:
        work()
    except Exception:
        work()  # it takes the soft limit for an error like others

@app.task(name="listens", soft_time_limit=1, time_limit=3)
def listens():
    try:
        work()
    except Exception as error:
        return type(error).__name__

@app.task(name="adds")
def adds(one, other):
    return one + other
"""


@pytest.fixture
def stubborn(lab: ChapterRun, tmp_path: Path) -> Iterator[Celery]:
    """Run a worker of one process with tasks of its own; return an app to send them by."""
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    command = f"celery -A stubborn worker -n stubborn@%h --concurrency 1 {QUICK}"
    lab.add("stubborn", f"PYTHONPATH={tmp_path} {command}")
    lab.start("stubborn")
    app = Celery(broker=lab.broker_url, backend=lab.result_backend)
    app.conf.task_default_queue = "stubborn"
    yield app
    app.close()
    lab.stop("stubborn")
    del lab.services["stubborn"]


@pytest.mark.slow
def test_a_hard_time_limit_ends_a_task_that_swallows_the_soft_one(
    lab: ChapterRun, stubborn: Celery, make_api: Any
) -> None:
    assert stubborn.send_task("listens").get(timeout=10) == "SoftTimeLimitExceeded"
    result = stubborn.send_task("swallows")
    with pytest.raises(TimeLimitExceeded, match=re.escape("TimeLimitExceeded(3,)")):
        result.get(timeout=20)
    assert result.state == "FAILURE"
    for limit in ("Soft time limit (1s)", "Hard time limit (3s)"):
        words = f"{limit} exceeded for swallows[{result.id}]"
        make_api(lab).says("stubborn", words)
    assert stubborn.send_task("adds", [2, 3]).get(timeout=20) == 5, "in a new process"


# --- watch.py ------------------------------------------------------------------------------------


def watched(run: Run, commands: dict[str, str]) -> dict[str, list[str]]:
    """Run `watch.py` with each of these words; return the lines that each prints."""
    with ThreadPoolExecutor() as pool:
        printed = pool.map(lambda words: run(f"python watch.py {words}"), commands.values())
    said = dict(zip(commands, map(str.splitlines, printed), strict=True))
    for lines in said.values():
        assert re.fullmatch(r"id: [0-9a-f-]{36}", lines[0]), lines
        assert [line.partition(": ")[0] for line in lines] == ["id", "events", "stored", "result"]
    return said


SENT, BEGUN = "events: task-sent", "events: task-sent, task-received, task-started"


@pytest.mark.slow
def test_watch_shows_events_and_stored_states(api: Any, run: Run) -> None:
    lines = watched(run, {"adds": "tasks.my_task 2 3"})["adds"]
    assert lines[1:] == [f"{BEGUN}, task-succeeded", "stored: STARTED, SUCCESS", "result: 5"]


@pytest.mark.slow
def test_watch_shows_failures_and_what_was_never_begun(api: Any, run: Run) -> None:
    commands = {
        "fails": "tasks.my_task 2 two",
        "lacks": "tasks.my_task 2",
        "unknown": "tasks.nothing",
        "waits": "tasks.my_task 2 3 --countdown 1",
    }
    said = watched(run, commands)
    assert said["fails"][1:3] == [f"{BEGUN}, task-failed", "stored: STARTED, FAILURE"]
    assert said["fails"][3].startswith('result: TypeError("unsupported operand')
    assert said["lacks"][1:3] == [f"{BEGUN}, task-failed", "stored: STARTED, FAILURE"]
    assert said["lacks"][3].startswith('result: TypeError("my_task() missing 1 required')
    assert said["unknown"][1:3] == [f"{SENT}, task-failed", "stored: FAILURE"]
    assert said["waits"][1:3] == [f"{BEGUN}, task-succeeded", "stored: STARTED, SUCCESS"]


@pytest.mark.slow
def test_watch_shows_progress_and_what_stopped_it(
    api: Any, album: str, run: Run, celery: Celery
) -> None:
    words = f"tasks.pack {album.removeprefix('/albums/')}"
    lines = watched(run, {"packs": words})["packs"]
    assert lines[1:3] == [
        f"{BEGUN}, task-succeeded",
        f"stored: STARTED, PROGRESS ({PHOTOS} times), SUCCESS",
    ]
    lines = watched(run, {"limited": f"{words} --soft-time-limit 0.5"})["limited"]
    assert lines[1] == f"{BEGUN}, task-failed"
    assert re.fullmatch(r"stored: STARTED, PROGRESS \(\d+ times\), FAILURE", lines[2])
    assert lines[3] == "result: SoftTimeLimitExceeded()"


@pytest.mark.slow
def test_watch_shows_retries(api: Any, small_photo: bytes, run: Run) -> None:
    api.post("/mail/mood", mood="refuses")
    album = api.album(small_photo)
    api.post(f"{album}/orders")
    letter = wait_until(lambda: api.query("select id from letter where sent is null"), "a letter")

    def retried() -> set[str]:
        """Return the ids of letters' deliveries that were retried, besides the album's own."""
        said = "\n".join(api.lab.log.lines("worker"))
        found = re.findall(r"Task tasks\.deliver\[(\S+)\] retry: ", said)
        return set(found) - {api.get(album)["orders"][-1]["id"]}

    before = retried()

    def lines() -> list[str]:
        return watched(run, {"retries": f"tasks.deliver {letter[0][0]}"})["retries"]

    with ThreadPoolExecutor() as pool:
        watching = pool.submit(lines)
        wait_until(lambda: retried() - before, "a retry of the task that is watched", 60)
        api.post("/mail/mood", mood="takes")
        found = watching.result()
    # After a short pause it may be received again before the retry is told.
    told = found[1].removeprefix("events: ").split(", ")
    assert (told[0], told[-1]) == ("task-sent", "task-succeeded")
    retries = told.count("task-retried")
    assert retries >= 1
    assert told.count("task-received") == told.count("task-started") == retries + 1
    # After no pause at all the other process may begin before this one has stored RETRY.
    stored = re.sub(r" \(\d+ times\)", "", found[2].removeprefix("stored: ")).split(", ")
    assert set(stored) == {"STARTED", "RETRY", "SUCCESS"}
    assert (stored[0], stored[-1]) == ("STARTED", "SUCCESS")
