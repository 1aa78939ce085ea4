"""A long task: how far it is, and the four ways in which it is ended."""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded
from PIL import Image

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

Run = Callable[[str], str]
PHOTOS = 16  # small ones: together they take a second or two to pack


@pytest.fixture(scope="module")
def paths() -> list[str]:
    return []


@pytest.fixture
def album(api: Any, small_photo: bytes, paths: list[str]) -> str:
    """Return an album that takes a few seconds to pack, the same for all tests of this file."""
    if not paths:
        paths.append(api.published(*[small_photo] * PHOTOS, name="x" * 60)["id"])
    path = f"/albums/{paths[0]}"
    (api.lab.folder / f"lab{path}/album.zip").unlink(missing_ok=True)
    return path


def begun_packing(api: Any, album: str) -> str:
    """Order a zip; return where to ask for it, once some of it is done."""
    order: str = api.pack(album)
    wait_until(lambda: done(api, order) > 1, "the first photos to be packed")
    return order


def done(api: Any, order: str) -> int:
    progress = api.get(order)["progress"]
    return int(progress["done"]) if progress else 0


# --- how far it is -------------------------------------------------------------------------------


@pytest.mark.slow
def test_packing_says_how_far_it_is(api: Any, album: str) -> None:
    order = api.pack(album)
    seen: list[dict[str, Any]] = []

    def look() -> bool:
        seen.append(api.get(order))
        return bool(seen[-1]["state"] == "SUCCESS")

    wait_until(look, "the album to be packed", 30)
    working = [status for status in seen if status["state"] == "PROGRESS"]
    steps = [status["progress"]["done"] for status in working]
    assert steps == sorted(steps)
    assert len(set(steps)) > 3, steps
    assert 0 <= steps[0] < steps[-1] < PHOTOS
    for status in working:
        assert list(status["progress"]) == ["done", "total"]
        assert (status["result"], status["error"]) == (None, None)
    result = seen[-1]["result"]
    assert (result["done"], result["total"], seen[-1]["progress"]) == (PHOTOS, PHOTOS, None)


def test_the_zip_has_each_large_print_in_its_frame(api: Any, album: str) -> None:
    result = api.until(api.pack(album), "SUCCESS")["result"]
    file = api.client.get(f"{api.url}{album}/album.zip").content

    assert len(file) == result["bytes"]
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        assert archive.namelist() == [f"{number:02}.png" for number in range(1, PHOTOS + 1)]
        assert archive.testzip() is None
        with Image.open(io.BytesIO(archive.read("01.png"))) as picture:
            assert picture.format == "PNG"
            assert picture.size == (1200 + 120, 1600 + 200)
    assert api.unfinished_files() == []


def test_only_what_is_developed_is_packed(api: Any, small_photo: bytes) -> None:
    album = api.published(small_photo, small_photo[:-300], small_photo)
    result = api.until(api.pack(f"/albums/{album['id']}"), "SUCCESS")["result"]
    file = api.client.get(f"{api.url}/albums/{album['id']}/album.zip").content

    assert result["total"] == 2
    assert zipfile.ZipFile(io.BytesIO(file)).namelist() == ["01.png", "02.png"]


# --- how it is ended -----------------------------------------------------------------------------


def test_a_packing_that_is_cancelled_stops_soon_and_leaves_nothing(api: Any, album: str) -> None:
    order = begun_packing(api, album)
    begun = len(api.unfinished_files())
    answer = api.delete(order)
    status = api.until(order, "REVOKED", seconds=5)  # a photo's time: a tenth of a second
    wait_until(lambda: not api.unfinished_files(), "the unfinished file to be gone", 5)
    found = api.get(album)

    assert (begun, answer.status_code) == (1, 202)
    assert status["error"] == {"type": "TaskRevokedError", "message": "cancelled"}
    assert (status["result"], status["progress"]) == (None, None)
    assert (found["zip"], found["packing"]) == (None, status)
    assert found["state"] == "SUCCESS", "the album itself is as it was"


@pytest.mark.slow
def test_a_packing_that_is_cancelled_begins_anew_when_it_is_ordered_again(
    api: Any, album: str
) -> None:
    """It can't resume: what was packed went with the unfinished file."""
    order = begun_packing(api, album)
    api.delete(order)
    api.until(order, "REVOKED")
    again = api.pack(album)
    seen: list[int] = []

    def look() -> bool:
        status = api.get(again)
        seen.extend([status["progress"]["done"]] if status["progress"] else [])
        return bool(status["state"] == "SUCCESS")

    wait_until(look, "the album to be packed", 30)
    assert seen[0] <= 1


@pytest.mark.slow
def test_revoke_does_nothing_to_a_task_that_runs(api: Any, album: str, celery: Celery) -> None:
    order = begun_packing(api, album)
    answers = celery.control.revoke(order[7:], reply=True, limit=1)

    assert "flagged as revoked" in str(answers)
    assert api.until(order, "SUCCESS")["result"]["done"] == PHOTOS
    assert api.get(album)["zip"]


@pytest.mark.parametrize(
    ("signal", "leaves"), [pytest.param("SIGTERM", 0, marks=pytest.mark.slow), ("SIGKILL", 1)]
)
def test_terminate_ends_the_process_and_the_worker_goes_on(
    api: Any, album: str, celery: Celery, small_photo: bytes, signal: str, leaves: int
) -> None:
    worker = api.lab.services["worker"].pid
    order = begun_packing(api, album)
    celery.control.revoke(order[7:], terminate=True, signal=signal)
    status = api.until(order, "REVOKED", seconds=5)
    again = api.published(*[small_photo] * 4)

    assert status["error"] == {"type": "TaskRevokedError", "message": "terminated"}
    assert again["state"] == "SUCCESS"
    assert api.lab.services["worker"].pid == worker, "with a new process"
    assert [part.stem for part in api.unfinished_files()] == [order[7:]] * leaves
    assert (api.get(album)["zip"], api.get(order)) == (None, status)
    for part in api.unfinished_files():
        part.unlink()


def test_a_soft_time_limit_lets_a_task_tidy_up(api: Any, album: str, celery: Celery) -> None:
    pack = celery.signature("tasks.pack", args=[album.removeprefix("/albums/")])
    result = pack.apply_async(soft_time_limit=0.5)
    with pytest.raises(SoftTimeLimitExceeded):
        result.get(timeout=20)
    assert result.state == "FAILURE"
    assert api.unfinished_files() == []
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
    quick = "--without-mingle --without-gossip --loglevel INFO"
    command = f"celery -A stubborn worker -n stubborn@%h --concurrency 1 {quick}"
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
    lab: ChapterRun, stubborn: Celery
) -> None:
    assert stubborn.send_task("listens").get(timeout=10) == "SoftTimeLimitExceeded"
    result = stubborn.send_task("swallows")
    with pytest.raises(TimeLimitExceeded, match=re.escape("TimeLimitExceeded(3,)")):
        result.get(timeout=20)

    assert result.state == "FAILURE"
    for limit in ("Soft time limit (1s)", "Hard time limit (3s)"):
        words = f"{limit} exceeded for swallows[{result.id}]"
        wait_until(lambda: words in str(lab.log.lines("stubborn")), words)  # noqa: B023
    assert stubborn.send_task("adds", [2, 3]).get(timeout=20) == 5, "in a new process"


# --- a full disk ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_zip_that_cant_be_written_whole_is_a_failure_that_leaves_nothing(
    lab: ChapterRun, api: Any, album: str
) -> None:
    """A worker that may write files of 100 kilobytes only: a zip file is larger."""
    lab.stop("worker")
    lab.add("small", f"ulimit -f 100; exec {lab.services['worker'].command}")
    lab.start("small")
    try:
        status = api.until(api.pack(album), "FAILURE")
    finally:
        lab.stop("small")
        del lab.services["small"]
    assert status["error"] == {"type": "OSError", "message": "The worker's log says more."}
    assert api.unfinished_files() == []
    assert api.get(album)["zip"] is None
