"""Somebody's small project: a folder with code, terminals, and the code that most of them have."""

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.field_guide.guide import Words
from tests.support.waiting import wait_until
from workbench.log import Log
from workbench.probes import consumes, keeps_running
from workbench.service import Probe, Service

QUICK = "--without-mingle --without-gossip --without-heartbeat"
WORKER = f"exec celery -A tasks worker -P solo -l INFO {QUICK}"

# tasks.py, as most entries need it.
DEVELOP = """
from celery import Celery

app = Celery("tasks")


@app.task
def develop(photo):
    return f"{photo} is developed"
"""
# tasks.py with a task that works until the file `finish` is there.
DEVELOP_UNTIL_FINISH = """
import time
from pathlib import Path

from celery import Celery

app = Celery("tasks")


@app.task
def develop(photo):
    Path(f"{photo}.begun").touch()
    while not Path("finish").exists():
        time.sleep(0.1)
    return f"{photo} is developed"
"""
# send.py, which sends the task of tasks.py.
SEND = """
from tasks import develop

print("sent:", develop.delay("lake").id)
"""


class Terminal:
    """A process that stays, and what is on its screen."""

    def __init__(self, service: Service) -> None:
        self.service = service

    @property
    def screen(self) -> str:
        """Return all that it has said."""
        return "\n".join(self.service.log.lines(self.service.name))

    def expect_words(self, words: Words) -> None:
        """Wait until it shows the words of an entry."""
        self._wait(lambda: words.are_in(self.screen), words.shown)

    def expect(self, text: str) -> None:
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
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(code).lstrip("\n"))

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

    def python(self, code: str, **env: str) -> str:
        """Type some Python that uses all of tasks.py; return what is then on the screen."""
        return self.run(f"python -c 'from tasks import *; {code}'", **env)

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
