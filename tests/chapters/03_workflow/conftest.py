"""Chapter 3 at work, for its tests: each pair of servers is started once, as a reader would."""

import inspect
import os
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import psutil
import pytest
from celery import Celery
from celery._state import _on_app_finalizers  # type: ignore[attr-defined]
from flask import Flask

from tests.support.chapter_runs import EACH_PAIR, StartRun, chapter_runs
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

ENDS = ("SUCCESS", "FAILURE", "REVOKED")


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRun]:
    """Return a function that runs the chapter on a broker and a backend, once for all tests."""
    yield from chapter_runs("03", tmp_path_factory)


@pytest.fixture
def lab(labs: StartRun) -> Iterator[ChapterRun]:
    """Use the chapter on Redis and Redis, and mend what the test has broken."""
    chapter_run = labs("redis", "redis")
    yield chapter_run
    mend(chapter_run)


@pytest.fixture(params=EACH_PAIR)
def any_lab_to_break(request: pytest.FixtureRequest, labs: StartRun) -> Iterator[ChapterRun]:
    """Use the chapter on each pair of servers, and mend what the test has broken."""
    chapter_run = labs(*request.param.split("-"))
    yield chapter_run
    mend(chapter_run)


def mend(chapter_run: ChapterRun) -> None:
    """Start what was stopped, and let the mail server take letters."""
    chapter_run.start_all()
    (chapter_run.folder / "lab/mood").unlink(missing_ok=True)


class LabApi:
    """What a client of one lab can ask, and what can be seen behind its back."""

    def __init__(self, lab: ChapterRun, client: httpx.Client) -> None:
        self.lab, self.client, self.url = lab, client, lab.url

    def get(self, path: str) -> Any:
        """Return what is said at a path, as JSON."""
        answer = self.client.get(self.url + path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **form: object) -> httpx.Response:
        """Send a form."""
        return self.client.post(self.url + path, data=form)

    def delete(self, path: str) -> httpx.Response:
        """Take something back."""
        return self.client.delete(self.url + path)

    def hand_in(self, photo: bytes, name: str = "photo.jpg", path: str = "/photos") -> Any:
        """Hand a photo in, and return the answer."""
        return self.client.post(self.url + path, files={"photo": (name, photo)})

    def accepted(self, answer: httpx.Response, code: int = 202) -> str:
        """Return where to ask for what was accepted."""
        assert answer.status_code == code, answer.text
        return str(answer.headers["Location"])

    def until(self, path: str, *states: str, seconds: float = 15) -> Any:
        """Ask until a state is there, any that is final by default; return all that is said."""
        wanted = states or ENDS

        def look() -> Any:
            found = self.get(path)
            assert found["state"] in wanted or found["state"] not in ENDS, found
            return found["state"] in wanted and found

        return wait_until(look, f"{path} to be {' or '.join(wanted)}", seconds)

    def developed(self, photo: bytes, name: str = "photo.jpg") -> Any:
        """Have a photo developed; return its card in the gallery."""
        order = self.until(self.accepted(self.hand_in(photo, name)), "SUCCESS")
        cards = [card for card in self.get("/photos")["photos"] if card["order"] == order]
        assert len(cards) == 1
        return cards[0]

    def album(self, *photos: bytes, name: str = "Summer", email: str = "you@example.com") -> str:
        """Make an album and fill it; return where to ask for it."""
        path = self.accepted(self.post("/albums", name=name, email=email), 201)
        for number, photo in enumerate(photos):
            self.accepted(self.hand_in(photo, f"{number + 1}.jpg", f"{path}/photos"), 201)
        return path

    def ordered(self, *photos: bytes, seconds: float = 15, **form: str) -> Any:
        """Make an album, fill it, have it developed and mailed; return how it stands."""
        path = self.album(*photos, **form)
        assert self.accepted(self.post(f"{path}/orders")) == path
        return self.finished(path, seconds)

    def finished(self, path: str, seconds: float = 30) -> Any:
        """Wait for an album, and for its last task, which ends a moment after the letter left."""
        self.until(path, "SUCCESS", seconds=seconds)

        def look() -> Any:
            found = self.get(path)
            return found["progress"]["done"] == found["progress"]["total"] and found

        return wait_until(look, f"the last task of {path}")

    def letters(self, to: str) -> list[dict[str, Any]]:
        """Return the letters that arrived for somebody."""
        return [letter for letter in self.get("/mail")["letters"] if letter["to"] == to]

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the lab's own database."""
        file = self.lab.folder / "lab/lab.sqlite"
        with closing(sqlite3.connect(file, timeout=10)) as database, database:
            return database.execute(sql, values).fetchall()

    def kept(self) -> dict[str, list[Any]]:
        """Return what the lab keeps of what visitors bring: its files and its rows."""
        found: dict[str, list[Any]] = {
            table: self.query(f'select id from "{table}" order by id')
            for table in ("photo", "album", "order", "letter")
        }
        return found | {"files": sorted((self.lab.folder / "lab/photos").glob("*"))}

    def parts(self) -> list[Path]:
        """Return the files that were begun and aren't finished."""
        return list((self.lab.folder / "lab").rglob("*.part"))

    def says(self, name: str, words: str, seconds: float = 15) -> None:
        """Wait until a process has written some words."""
        wait_until(
            lambda: any(words in line for line in self.lab.log.lines(name)),
            f"{name} to say: {words}",
            seconds,
        )

    def end_worker(self) -> None:
        """End an idle worker, and wait until it is gone: a dying one may still take a message."""
        processes = self.lab.services["worker"].process_tree()
        self.lab.kill("worker")  # sooner done than stopped
        wait_until(lambda: not any(map(lives, processes)), "the worker to be gone")


def lives(process: psutil.Process) -> bool:
    """Tell whether a process is neither gone nor a zombie."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def api(lab: ChapterRun, client: httpx.Client) -> LabApi:
    """LabApi the chapter on Redis and Redis."""
    return LabApi(lab, client)


@pytest.fixture
def any_api(any_lab_to_break: ChapterRun, client: httpx.Client) -> LabApi:
    """LabApi the chapter on each pair of servers."""
    return LabApi(any_lab_to_break, client)


@pytest.fixture
def make_api(client: httpx.Client) -> Callable[[ChapterRun], LabApi]:
    """Return a function that visits a chapter."""
    return lambda chapter_run: LabApi(chapter_run, client)


@pytest.fixture(scope="module")
def package() -> Iterator[ModuleType]:
    """Import the chapter's package, and forget it afterwards: another chapter may have a `lab`."""
    before, shared = set(sys.modules), set(_on_app_finalizers)
    # Shared tasks are Celery's to keep, and to give to each app that is made: not to ours.
    _on_app_finalizers.difference_update(filter(of_a_lab, shared))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[3] / "chapters/03_workflow"))
        with warnings.catch_warnings(action="ignore"):  # apps of other tests hear of it, too
            import lab

        yield lab
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("lab", "mailroom", "support"):
            del sys.modules[name]
    _on_app_finalizers.clear()
    _on_app_finalizers.update(shared)


def of_a_lab(finalizer: Callable[..., Any]) -> bool:
    """Tell whether this brings a shared task of some chapter."""
    task = inspect.getclosurevars(finalizer).nonlocals.get("fun")
    return str(getattr(task, "__module__", "")).startswith("lab.")


@pytest.fixture
def app(package: ModuleType, lab: ChapterRun) -> Flask:
    """Make an app in this process, beside those that run: same servers, same folder."""
    celery = {"broker_url": lab.broker_url, "result_backend": lab.result_backend}
    settings = {"DIR": lab.folder / "lab", "SMTP_PORT": lab.ports["LAB_SMTP_PORT"]}
    made: Flask = package.create_app(settings | {"CELERY": celery})
    return made


@pytest.fixture
def celery(app: Flask) -> Celery:
    """Return the Celery app of the app in this process."""
    found: Celery = app.extensions["celery"]
    return found


@pytest.fixture
def run(lab: ChapterRun) -> Callable[..., str]:
    """Return a function that runs a command in the chapter's folder, and returns what it prints."""

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
