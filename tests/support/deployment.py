"""For tests of the X-ray: a private Redis, a real worker of small tasks, the X-ray, a listener."""

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from celery import Celery
from redis import Redis

from tests.support.waiting import wait_until
from workbench import brokers, probes
from workbench.log import Log
from workbench.service import Service

ROOT = Path(__file__).parents[2]
FACTS = list[dict[str, Any]]


class Deployment:
    """A Redis and a worker, to look at."""

    def __init__(
        self,
        folder: Path,
        options: str = "--concurrency 2",
        start: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.log, self.env = folder, Log(), dict(env or {})
        self.server, url = brokers.redis_server("redis", folder / "redis", self.log)
        self.broker, self.backend = f"{url}/0", f"{url}/1"
        self.redis: Any = Redis.from_url(self.broker)
        self.results: Any = Redis.from_url(self.backend)
        self.notes = folder / "notes"
        # It only sends: an app with a backend would wait for results, too.
        self.app = Celery(broker=self.broker, backend="disabled://", set_as_current=False)
        self.started = start
        self.worker = self.another(options)

    def another(self, options: str, celery: str = f"{sys.executable} -m celery") -> Service:
        """Prepare a worker, of another Celery if one is named."""
        return Service(
            "worker",
            f"{celery} -A noop worker --without-mingle {options}",
            ready=probes.consumes(self.broker),
            log=self.log,
            cwd=Path(__file__).with_name("apps"),
            env={
                "CELERY_BROKER_URL": self.broker,
                "CELERY_RESULT_BACKEND": self.backend,
                "NOTES": str(self.notes),
            }
            | self.env,
        )

    def __enter__(self) -> Self:
        self.server.launch()
        self.server.wait()
        if self.started:
            self.worker.launch()
            self.worker.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.worker.close()
        self.app.close()
        self.server.close()

    def send(self, name: str, times: int = 1, *args: object, **options: Any) -> list[str]:
        """Send tasks, and return their ids."""
        with self.app.producer_or_acquire() as producer:
            send = self.app.send_task
            return [
                send(name, args, producer=producer, ignore_result=False, **options).id
                for _ in range(times)
            ]

    def tell(self, command: str, **arguments: object) -> list[Any]:
        """Have the worker carry out a command."""
        control: Any = self.app.control
        said: list[Any] = control.broadcast(command, arguments, reply=True, limit=1, timeout=5)
        return said

    def events(self, wanted: bool) -> None:
        """Have the worker tell of its tasks, or be silent."""
        self.tell("enable_events" if wanted else "disable_events")

    def worker_takes(self, wanted: bool) -> None:
        """Have the worker take messages, or leave them where they are."""
        if wanted:
            self.tell("add_consumer", queue="celery")
            return
        self.tell("cancel_consumer", queue="celery")
        if self.broker.startswith("redis"):  # the BRPOP that is under way would still take one
            wait_until(lambda: not self.redis.info("clients")["blocked_clients"], "its end")


@contextmanager
def xray(deployment: Deployment, *options: str, broker: str = "") -> Iterator[str]:
    """Start an X-ray as its command does, and return its address."""
    port = probes.free_port()
    words = [sys.executable, "-m", "xray", "--port", str(port), *options]
    words += ["--broker", broker or deployment.broker, "--result-backend", deployment.backend]
    service = Service(
        "xray", " ".join(words), ready=probes.answers_http(port), log=deployment.log, cwd=ROOT
    )
    service.launch()
    try:
        service.wait()
        yield f"http://127.0.0.1:{port}"
    finally:
        service.close()


@contextmanager
def listen(url: str, last: int | None = None) -> Iterator[FACTS]:
    """Watch an X-ray, as its page does, and collect the facts."""
    facts: FACTS = []

    def take(line: str) -> None:
        if line.startswith("data: "):
            facts.extend(json.loads(line.removeprefix("data: ")))

    with read_lines(url, take, last):
        yield facts


@contextmanager
def collect_lines(url: str) -> Iterator[list[str]]:
    """Watch an X-ray, and only collect what it says, which costs less than to understand it."""
    lines: list[str] = []
    with read_lines(url, lines.append):
        yield lines


@contextmanager
def read_lines(url: str, take: Callable[[str], None], last: int | None = None) -> Iterator[None]:
    """Take each line that an X-ray says, in a thread."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with httpx.stream("GET", f"{url}/facts", headers=headers, timeout=20) as answer:

        def read() -> None:
            with suppress(httpx.HTTPError, httpx.StreamError):  # it ends, or we do
                for line in answer.iter_lines():
                    take(line)

        threading.Thread(target=read, daemon=True).start()
        yield
