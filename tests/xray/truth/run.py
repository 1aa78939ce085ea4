"""A broker, results, two workers, the X-ray and its page: what the random steps are done to."""

import contextlib
import fcntl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from celery import Celery
from celery.backends.redis import RedisBackend
from playwright.sync_api import Page
from redis import Redis

from tests.support.browser import WIDE, chromium, page
from tests.support.chapter_runs import need_rabbitmq
from tests.support.deployment import ROOT
from tests.xray.truth import sources
from workbench import brokers, probes
from workbench.log import Log
from workbench.service import Service

APPS = ROOT / "tests/support/apps"
VISIBILITY_TIMEOUT = 45  # seconds: most tasks are reserved or scheduled for less
NAMES = ("a@truth", "b@truth")


class SendingBackend(RedisBackend):
    """Counts a chord's parts, which is needed to send one, and listens to no results."""

    def on_task_call(self, *_: object) -> None:
        """Listen to nothing."""

    def remove_pending_result(self, result: Any) -> Any:
        """Forget nothing."""
        return result


class Run:
    """What is there."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.folder, self.log, self.management = folder, Log(), ""
        server, url = brokers.redis_server("redis", folder / "redis", self.log)
        self.services = [server]
        self.broker, self.broker_url, self.backend = server, f"{url}/0", f"{url}/1"
        if broker == "rabbitmq":
            need_rabbitmq()
            self.management = f"http://127.0.0.1:{probes.free_port()}"
            rabbit = folder / "rabbitmq"
            self.broker, self.broker_url = brokers.rabbitmq_server(
                "rabbitmq", rabbit, self.log, self.management
            )
            self.services.append(self.broker)
        sender = f"{SendingBackend.__module__}.{SendingBackend.__name__}+{self.backend}"
        self.app = Celery(broker=self.broker_url, backend=sender, set_as_current=False)
        self.app.conf.update(broker_transport_options={"max_retries": 0})
        self.results: Any = Redis.from_url(self.backend)
        self.asked: sources.Broker = (
            sources.RabbitBroker(self.management)
            if self.management
            else sources.RedisBroker(self.broker_url)
        )
        self.workers = {name: self._worker(name) for name in NAMES}
        self.locks: dict[str, IO[str]] = {}
        self.sent: list[str] = []  # ids
        self.seen: set[str] = set()  # those that had a card, at any pause
        self.chords: dict[str, list[str]] = {}  # the last task's id: those of the others
        self.sizes: dict[str, str] = {}  # the last task's id: the key of its chord's size
        self.alive: set[str] = set()
        self.broker_is_up = True
        self.answered = 0.0  # when all workers did
        self.xray = ""
        self.page: Page

    def _worker(self, name: str) -> Service:
        command = f"-m celery -A truth worker --concurrency 2 --prefetch-multiplier 2 -n {name}"
        env = {
            "CELERY_BROKER_URL": self.broker_url,
            "CELERY_RESULT_BACKEND": self.backend,
            "LOCKS": str(self.folder),
            "VISIBILITY_TIMEOUT": str(VISIBILITY_TIMEOUT),
        }
        ready = probes.consumes(self.broker_url)
        return Service(
            name, f"{sys.executable} {command}", ready=ready, log=self.log, cwd=APPS, env=env
        )

    def xray_service(self, port: int, run: int) -> Service:
        """Prepare the X-ray."""
        words = [sys.executable, "-m", "xray", "--port", str(port), "--run", str(run)]
        words += ["--broker", self.broker_url, "--result-backend", self.backend]
        words += ["--management", self.management] if self.management else []
        ready = probes.answers_http(port)
        return Service("xray", " ".join(words), ready=ready, log=self.log, cwd=ROOT)

    def lock(self, name: str) -> None:
        """Have the task that this lock is for work until it is released."""
        self.locks[name] = (self.folder / name).open("w")
        fcntl.flock(self.locks[name], fcntl.LOCK_EX)

    def release(self, name: str) -> None:
        """Have a task end, or never begin to wait."""
        self.locks.pop(name).close()

    def kill(self, name: str) -> None:
        """Kill a worker with all its processes."""
        self.workers[name].kill_tree()
        self.alive.discard(name)

    def truth(self) -> sources.Truth:
        """Return what is so, asked of the broker, of the workers and of the results."""
        for name in [each for each in self.alive if not self.workers[each].running()]:
            self.kill(name)  # it has ended by itself; what it has started ends, too
        messages = self.asked.messages()
        workers = sources.ask_workers(self.app, sorted(self.alive))
        ids = [*self.sent, *self.chords]
        return sources.Truth(messages, workers, *sources.read_results(self.results, ids))

    def sent_by(self, truth: sources.Truth) -> set[str]:
        """Return the ids of all that was sent: a chord's last task, when the others are done.

        It never is if the process is killed that has just done the last of them. Then the chord's
        size is stored still, which is deleted after the last task was sent.
        """
        done = {task for task, state in truth.results.items() if state == "done"}
        due = {last for last, others in self.chords.items() if done >= {*others}}
        unsent = {last for last in due if self.results.exists(self.sizes[last])}
        return {*self.sent, *(due - unsent)}


@contextlib.contextmanager
def started(broker: str, folder: Path, own_pid: int) -> Iterator[Run]:
    """Start all, and leave nothing."""
    run, port = Run(broker, folder), probes.free_port()
    xray = run.xray_service(port, own_pid)
    services = [*run.services, *run.workers.values(), xray]
    try:
        for service in services:
            service.launch()
        for service in services:
            service.wait()
        run.alive |= run.workers.keys()
        run.xray = f"http://127.0.0.1:{port}"
        with chromium() as browser, page(browser, run.xray, WIDE, troubled=True) as run.page:
            yield run
    finally:
        for name in list(run.locks):
            run.release(name)
        for service in [xray, *run.workers.values(), *run.services]:
            service.close(seconds=10)
        run.app.close()
        run.results.close()
