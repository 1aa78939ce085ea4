"""Chapter 3 at work, for its tests: each pair of servers is started once, as a reader would."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from typing import Any

import httpx
import psutil
import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from tests.support.chapter_runs import EACH_PAIR, StartRun, chapter_runs
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun
from workbench.errors import ProcessDiedError

FINAL_STATES = ("SUCCESS", "FAILURE", "REVOKED")


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRun]:
    """Return a function that runs the chapter on a broker and a backend, once for all tests."""
    yield from chapter_runs("03", tmp_path_factory)


@pytest.fixture
def lab(labs: StartRun) -> Iterator[ChapterRun]:
    """Use the chapter on Redis and Redis, and mend what the test has broken."""
    with mended(labs("redis", "redis")) as chapter_run:
        yield chapter_run


@pytest.fixture(params=EACH_PAIR)
def any_lab(request: pytest.FixtureRequest, labs: StartRun) -> Iterator[ChapterRun]:
    """Use the chapter on each pair of servers, and mend what the test has broken."""
    with mended(labs(*request.param.split("-"))) as chapter_run:
        yield chapter_run


@contextmanager
def mended(chapter_run: ChapterRun) -> Iterator[ChapterRun]:
    """Start what was stopped, and let the mail server accept letters, after the block."""
    broker = chapter_run.services["broker"].pid
    yield chapter_run
    (chapter_run.folder / "lab/mail_behaviour").unlink(missing_ok=True)
    if chapter_run.services["broker"].pid == broker:
        chapter_run.start_all()
    else:
        wait_until(lambda: worker_answers(chapter_run), "a worker", 90)


def worker_answers(chapter_run: ChapterRun) -> bool:
    """Start what was stopped, and ask the worker. One that held a task for later may be ending."""
    with suppress(ProcessDiedError, OperationalError, redis.RedisError, OSError):
        chapter_run.start_all()
        return bool(Celery(broker=chapter_run.broker_url).control.ping(timeout=1, limit=1))
    return False


class LabApi:
    """What a client of one lab can ask, and what can be seen behind its back."""

    def __init__(self, lab: ChapterRun, client: httpx.Client) -> None:
        self.lab, self.client, self.url = lab, client, lab.url

    def get(self, path: str) -> Any:
        """Return the JSON at a path."""
        answer = self.client.get(self.url + path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **form: object) -> httpx.Response:
        """Send a form."""
        return self.client.post(self.url + path, data=form)

    def cancel(self, order: str) -> httpx.Response:
        """Cancel an order."""
        return self.client.delete(self.url + order)

    def upload(self, photo: bytes, name: str = "photo.jpg") -> httpx.Response:
        """Upload a photo."""
        return self.client.post(f"{self.url}/photos", files={"photo": (name, photo)})

    def accepted(self, answer: httpx.Response) -> str:
        """Return the status address of what was accepted."""
        assert answer.status_code == 202, answer.text
        return str(answer.headers["Location"])

    def until(self, order: str, *states: str, seconds: float = 30) -> Any:
        """Ask until a state is there, any that is final by default; return the status."""
        wanted = states or FINAL_STATES

        def look() -> Any:
            found = self.get(order)
            assert found["state"] in wanted or found["state"] not in FINAL_STATES, found
            return found["state"] in wanted and found

        return wait_until(look, f"{order} to be {' or '.join(wanted)}", seconds)

    def developed(self, photo: bytes, name: str = "photo.jpg") -> Any:
        """Have a photo developed; return it as it is listed."""
        order = self.until(self.accepted(self.upload(photo, name)), "SUCCESS")
        return self.photo_of(order["id"])

    def photo_of(self, order: str) -> Any:
        """Return the listed photo that has this order."""
        found = [photo for photo in self.get("/photos")["photos"] if order in str(photo["orders"])]
        assert len(found) == 1
        return found[0]

    def publish(self, photo: Any, at: datetime) -> str:
        """Order a publication; return its status address."""
        return self.accepted(self.post(f"/photos/{photo['id']}/publication", at=at.isoformat()))

    def write(self, photo: Any, email: str) -> str:
        """Order a letter; return its status address."""
        return self.accepted(self.post(f"/photos/{photo['id']}/letters", email=email))

    def letters(self, to: str) -> list[dict[str, Any]]:
        """Return the letters that arrived for somebody."""
        return [letter for letter in self.get("/mail")["letters"] if letter["to"] == to]

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the lab's own database."""
        file = self.lab.folder / "lab/lab.sqlite"
        with closing(sqlite3.connect(file, timeout=10)) as database, database:
            return database.execute(sql, values).fetchall()

    def kept(self) -> dict[str, list[Any]]:
        """Return what the lab keeps of its visitors: files and rows."""
        found: dict[str, list[Any]] = {
            table: self.query(f'select id from "{table}" order by id')
            for table in ("photo", "order", "letter")
        }
        return found | {"files": sorted((self.lab.folder / "lab/photos").glob("*"))}

    def says(self, name: str, words: str, seconds: float = 30) -> None:
        """Wait until a process has written some words."""
        wait_until(
            lambda: any(words in line for line in self.lab.log.lines(name)),
            f"{name} to say: {words}",
            seconds,
        )

    @contextmanager
    def no_worker(self) -> Iterator[None]:
        """Kill the idle worker, wait until it is gone, and start one after the block."""
        processes = self.lab.services["worker"].process_tree()
        self.lab.kill("worker")  # sooner done than stopped
        wait_until(lambda: not any(map(lives, processes)), "the worker to be gone")
        yield
        self.lab.start("worker")


def lives(process: psutil.Process) -> bool:
    """Tell whether a process is neither gone nor a zombie."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def api(lab: ChapterRun, client: httpx.Client) -> LabApi:
    """Visit the chapter on Redis and Redis."""
    return LabApi(lab, client)


@pytest.fixture
def any_api(any_lab: ChapterRun, client: httpx.Client) -> LabApi:
    """Visit the chapter on each pair of servers."""
    return LabApi(any_lab, client)


@pytest.fixture
def make_api(client: httpx.Client) -> Callable[[ChapterRun], LabApi]:
    """Return a function that visits a chapter."""
    return lambda chapter_run: LabApi(chapter_run, client)


@pytest.fixture
def celery(lab: ChapterRun) -> Celery:
    """Return an app that only sends: it has the lab's servers and queue, and none of its code."""
    app = Celery(broker=lab.broker_url, backend=lab.result_backend, set_as_current=False)
    app.conf.task_default_queue = "photos"
    return app


@pytest.fixture
def redis_client(lab: ChapterRun) -> Any:
    """Return a client of the lab's broker."""
    return redis.Redis.from_url(lab.broker_url, decode_responses=True)


@pytest.fixture
def run(lab: ChapterRun) -> Callable[..., str]:
    """Return a function that runs a command in the chapter's folder, and returns its output."""

    def in_shell(command: str, **env: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=lab.chapter.path,
            env=os.environ | lab.env | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout

    return in_shell
