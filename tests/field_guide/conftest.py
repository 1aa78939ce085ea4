"""Somebody with a small project of their own, some terminals, and a Redis."""

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.field_guide.guide import Words, entries
from tests.support.chapter_runs import private_redis
from tests.support.waiting import wait_until
from workbench.log import Log
from workbench.probes import consumes, keeps_running
from workbench.service import Probe, Service

QUICK = "--without-mingle --without-gossip --without-heartbeat"


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Redis for all tests of a file, and return its address without a database."""
    yield from private_redis(tmp_path_factory)


@pytest.fixture
def words(request: pytest.FixtureRequest) -> Iterator[Words]:
    """Return the words of the entry that has this test's name; demand that both be shown."""
    found = Words(entries()[request.node.name].words)
    yield found
    assert found.seen, "the words were on a screen"
    assert found.gone, "where it is mended they weren't"


class Terminal:
    """A process that stays, and what is on its screen."""

    def __init__(self, service: Service) -> None:
        self.service = service

    @property
    def screen(self) -> str:
        """Return all that it has said."""
        return "\n".join(self.service.log.lines(self.service.name))

    def shows(self, words: Words) -> None:
        """Wait until it shows these words."""
        self._wait(lambda: words.are_in(self.screen), words.shown)

    def says(self, text: str) -> None:
        """Wait until it says this."""
        self._wait(lambda: text in self.screen, text)

    def _wait(self, look: Callable[[], bool], text: str) -> None:
        try:
            wait_until(look, text, 30)
        except AssertionError as error:
            raise AssertionError(f"{error}\nin:\n{self.screen}") from None


class Project:
    """A folder with somebody's code, whose variables name the Redis."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self.env = {
            "CELERY_BROKER_URL": f"{redis_url}/0",
            "CELERY_RESULT_BACKEND": f"{redis_url}/1",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",  # or a file that is soon mended might not be read again
            "PYTHONUNBUFFERED": "1",
        }

    def write(self, name: str, code: str) -> None:
        """Write a file of it."""
        (self.folder / name).write_text(textwrap.dedent(code).lstrip("\n"))

    def run(self, command: str, **env: str) -> str:
        """Type a command, and return what is then on the screen."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=os.environ | self.env | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout

    @contextlib.contextmanager
    def terminal(
        self, command: str, ready: Probe = keeps_running, **env: str
    ) -> Iterator[Terminal]:
        """Type a command that stays, and wait until the probe says that it is ready."""
        env = self.env | env
        service = Service(command, command, ready=ready, log=Log(), cwd=self.folder, env=env)
        service.launch()
        try:
            service.wait()
            yield Terminal(service)
        finally:
            service.kill_tree()
            service.close()

    @contextlib.contextmanager
    def worker(
        self, command: str = "celery -A tasks worker -P solo", **env: str
    ) -> Iterator[Terminal]:
        """Type a command that starts a worker, and wait until it answers."""
        ready = consumes((self.env | env)["CELERY_BROKER_URL"])
        with self.terminal(f"exec {command} -l INFO {QUICK}", ready, **env) as terminal:
            yield terminal


@pytest.fixture
def project(tmp_path: Path, redis_url: str) -> Project:
    """Begin a project, with an empty Redis."""
    Redis.from_url(redis_url).flushall()
    return Project(tmp_path, redis_url)
