"""Chapter 4 at work, for its tests: each pair of servers is started once, as a reader would."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import psutil
import pytest
import redis
from celery import Celery

from tests.support.chapter_runs import EACH_PAIR, StartRun, chapter_runs, private_redis
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

CHAPTER = Path(__file__).parents[3] / "chapters/04_distributed_workflow"
FINAL_STATES = ("SUCCESS", "FAILURE", "REVOKED")
imported: dict[str, ModuleType] = {}


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRun]:
    """Return a function that runs the chapter on a broker and a backend, once for all tests."""
    yield from chapter_runs("04", tmp_path_factory)


@pytest.fixture
def lab(labs: StartRun) -> Iterator[ChapterRun]:
    """Use the chapter on Redis and Redis, and mend what the test has broken."""
    chapter_run = labs("redis", "redis")
    yield chapter_run
    chapter_run.start_all()


@pytest.fixture(params=EACH_PAIR)
def any_lab(request: pytest.FixtureRequest, labs: StartRun) -> Iterator[ChapterRun]:
    """Use the chapter on each pair of servers, and mend what the test has broken."""
    chapter_run = labs(*request.param.split("-"))
    yield chapter_run
    chapter_run.start_all()


class LabApi:
    """What a client of one lab can ask, and what can be seen behind its back."""

    def __init__(self, lab: ChapterRun, client: httpx.Client) -> None:
        self.lab, self.client, self.url = lab, client, lab.url

    def get(self, path: str) -> Any:
        """Return what is answered at a path, as JSON."""
        answer = self.client.get(self.url + path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **form: object) -> httpx.Response:
        """Send a form."""
        return self.client.post(self.url + path, data=form)

    def delete(self, path: str) -> httpx.Response:
        """Cancel something."""
        return self.client.delete(self.url + path)

    def add_photo(self, album: str, photo: bytes, name: str = "photo.jpg") -> httpx.Response:
        """Add a photo to an album."""
        return self.client.post(f"{self.url}{album}/photos", files={"photo": (name, photo)})

    def new_album(self, *photos: bytes, name: str = "Summer") -> str:
        """Create an album and fill it; return its address."""
        album: str = self.post("/albums", name=name).headers["Location"]
        for number, photo in enumerate(photos, start=1):
            assert self.add_photo(album, photo, f"{number}.jpg").status_code == 201
        return album

    def order(self, album: str) -> None:
        """Order an album."""
        answer = self.post(f"{album}/orders")
        assert (answer.status_code, answer.headers["Location"]) == (202, album), answer.text

    def pack(self, album: str) -> str:
        """Order a zip; return the address of its status."""
        answer = self.post(f"{album}/zip")
        assert answer.status_code == 202, answer.text
        return str(answer.headers["Location"])

    def until(self, path: str, *states: str, seconds: float = 30) -> Any:
        """Ask until a state is there, any that is final by default; return the whole answer."""
        wanted = states or FINAL_STATES

        def look() -> Any:
            found = self.get(path)
            assert found["state"] in wanted or found["state"] not in FINAL_STATES, found
            return found["state"] in wanted and found

        return wait_until(look, f"{path} to be {' or '.join(wanted)}", seconds)

    def published(self, *photos: bytes, name: str = "Summer", seconds: float = 30) -> Any:
        """Create an album, fill it, order it; return how it is doing in the end."""
        album = self.new_album(*photos, name=name)
        self.order(album)
        return self.finished(album, seconds)

    def finished(self, album: str, seconds: float = 30) -> Any:
        """Wait for an album, and until its last task has said so, too."""
        self.until(album, "SUCCESS", seconds=seconds)

        def look() -> Any:
            found = self.get(album)
            return {part["state"] for part in found["orders"]} == {"SUCCESS"} and found

        return wait_until(look, f"the last task of {album}")

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the lab's own database."""
        file = self.lab.folder / "lab/lab.sqlite"
        with closing(sqlite3.connect(file, timeout=10)) as database, database:
            return database.execute(sql, values).fetchall()

    def kept(self) -> dict[str, list[Any]]:
        """Return what the lab keeps of what visitors bring: its files and its rows."""
        found: dict[str, list[Any]] = {
            table: self.query(f'select * from "{table}" order by id')
            for table in ("photo", "album", "order")
        }
        return found | {"files": sorted((self.lab.folder / "lab/photos").glob("*"))}

    def unfinished_files(self) -> list[Path]:
        """Return the files that were begun and aren't finished."""
        return list((self.lab.folder / "lab").rglob("*.part"))

    def end_worker(self) -> None:
        """End an idle worker, and wait until it is gone: a dying one may still take a message."""
        processes = self.lab.services["worker"].process_tree()
        self.lab.kill("worker")  # sooner done than stopped
        wait_until(lambda: not any(map(is_alive, processes)), "the worker to be gone")


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process is neither gone nor a zombie."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def paused(processes: list[psutil.Process]) -> Iterator[None]:
    """Let processes do nothing during the block."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


@pytest.fixture
def paused_worker(lab: ChapterRun) -> Callable[[], Any]:
    """Return a context manager that lets the worker do nothing for a while."""
    return lambda: paused(lab.services["worker"].process_tree())


@pytest.fixture
def api(lab: ChapterRun, client: httpx.Client) -> LabApi:
    """Be a client of the chapter on Redis and Redis."""
    return LabApi(lab, client)


@pytest.fixture
def any_api(any_lab: ChapterRun, client: httpx.Client) -> LabApi:
    """Be a client of the chapter on each pair of servers."""
    return LabApi(any_lab, client)


@pytest.fixture
def make_api(client: httpx.Client) -> Callable[[ChapterRun], LabApi]:
    """Return a function that makes a client of a chapter."""
    return lambda lab: LabApi(lab, client)


@pytest.fixture
def celery(lab: ChapterRun) -> Iterator[Celery]:
    """Return a Celery app that knows the chapter's servers and queue, and none of its code."""
    app = Celery(broker=lab.broker_url, backend=lab.result_backend)
    app.conf.task_default_queue = "photos"
    yield app
    app.close()


@pytest.fixture
def run(lab: ChapterRun) -> Callable[[str], str]:
    """Return a function that runs a command in the chapter's folder, and returns what it prints."""

    def in_shell(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=lab.chapter.path,
            env=os.environ | lab.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout

    return in_shell


@pytest.fixture(scope="module")
def package() -> Iterator[ModuleType]:
    """Import the chapter's package; afterwards hide it: another chapter has a `lab`, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(CHAPTER))
        sys.modules.update(imported)  # not once more: shared tasks are registered by name
        import lab.tasks

        yield lab
    for name in [name for name in sys.modules if name.partition(".")[0] in ("lab", "support")]:
        imported[name] = sys.modules.pop(name)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address, without a database's number, of a Redis for apps in this process."""
    yield from private_redis(tmp_path_factory)


def redis_calls(url: str, command: str) -> int:
    """Return how often a Redis has carried out a command."""
    found: Any = redis.Redis.from_url(url).info("commandstats")
    return int(found.get(f"cmdstat_{command}", {}).get("calls", 0))


@pytest.fixture
def count_calls() -> Callable[[str, str], int]:
    """Return a function that counts how often a Redis has carried out a command."""
    return redis_calls
