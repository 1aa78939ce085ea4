"""A chapter at work: its broker, its processes, their environment."""

import os
import shlex
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import Self

from workbench import brokers, chapter, probes
from workbench.errors import UserError
from workbench.log import Log
from workbench.service import Service
from xray.addresses import without_password
from xray.signals import postponed_signals

ENDS_WITHIN = 4.6  # seconds, for everything; what isn't done by then is killed


class ChapterRun:
    """The processes of one run of one chapter, and what they need.

    Use it in a `with`: all is ready inside it, and nothing is left after it.
    """

    def __init__(
        self,
        chapter_name: str,
        *,
        broker: str = "redis",
        backend: str = "redis",
        port: int = 0,
        folder: Path | None = None,
        only: list[str] | None = None,
        management: bool = False,
    ) -> None:
        """Prepare a run. Port 0 means any; `only` names the processes to start, besides servers.

        `management` adds its management interface to a RabbitMQ of ours.
        """
        self.chapter = chapter.find(chapter_name)
        self.chapter.check_requirements()
        self.port = port or probes.free_port()
        if not probes.is_free(self.port):
            raise UserError(
                f"Port {self.port} is taken: stop what listens there, or choose another, "
                f"as in: make run PORT={self.port + 1}"
            )
        self.ports = {
            name: find_port(name, number if port and number != self.port else 0)
            for name, number in self.chapter.ports().items()
        }
        self.folder = folder or chapter.VAR / self.chapter.name / str(self.port)
        self.log = Log()
        self._lock = threading.RLock()  # commands come from a second terminal, in a thread
        self.services: dict[str, Service] = {}
        self.management: str | None = None
        if management and broker == "rabbitmq" and not os.environ.get("CELERY_BROKER_URL"):
            self.management = f"http://127.0.0.1:{probes.free_port()}"
        self.broker_url, self.result_backend = self._servers(broker, backend)
        for name, command in self.chapter.processes().items():
            self.add(name, command)
        self.only = list(self.chapter.processes()) if only is None else only

    def add(self, name: str, command: str, cwd: Path | None = None) -> None:
        """Prepare one more process, in the chapter's folder and environment; `start` starts it."""
        probe = probes.for_command(command, name, self.port, self.ports, self.broker_url)
        cwd = cwd or self.chapter.path
        service = Service(name, command, ready=probe, log=self.log, cwd=cwd, env=self.env)
        self.services[name] = service

    @property
    def url(self) -> str:
        """Return the page's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """Return the variables that every process of the chapter gets."""
        return {
            "CELERY_BROKER_URL": self.broker_url,
            "CELERY_RESULT_BACKEND": self.result_backend,
            "LAB_DIR": str(self.folder / "lab"),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
        } | {name: str(number) for name, number in self.ports.items()}

    def __enter__(self) -> Self:
        """Start everything, and wait until it is ready."""
        try:
            self.start_all()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything."""
        self.close()

    def start_all(self) -> None:
        """Start what isn't running: the servers, then all at once what uses them."""
        for group in (self.servers, self.only):
            absent = [self.services[name] for name in group if not self.services[name].running()]
            for service in absent:
                service.launch()
            for service in absent:
                service.wait()
            for service in absent:
                service.check_alive()  # it may have died while we waited for another

    def start(self, name: str) -> None:
        """Start a process again, and wait until it is ready."""
        service = self._service(name)
        with self._lock:
            if service.pid is None:
                service.launch()
                service.wait()

    def stop(self, name: str) -> None:
        """Stop a process as Ctrl-C in its terminal would."""
        with self._lock:
            self._service(name).halt()

    def kill(self, name: str) -> None:
        """Kill a process and its children: kill -9."""
        with self._lock:
            self._service(name).kill_tree()

    def dead(self) -> dict[str, int]:
        """Return, once, the exit status of each process that ended without being asked to."""
        with self._lock:
            found = {name: service.ended() for name, service in self.services.items()}
        return {name: status for name, status in found.items() if status is not None}

    def close(self) -> None:
        """Stop everything: first what uses the servers, all at once, then the servers."""
        clients = [service for name, service in self.services.items() if name not in self.servers]
        servers = [self.services[name] for name in self.servers]
        deadline = time.monotonic() + ENDS_WITHIN
        with postponed_signals():  # who presses Ctrl-C twice leaves nothing behind, either
            for group, reserve in ((clients, 1.2), (servers, 0)):
                seconds = deadline - time.monotonic() - reserve
                with ThreadPoolExecutor() as pool:
                    list(pool.map(Service.close, group, repeat(max(0.5, seconds))))

    def by_hand(self) -> dict[str, str]:
        """Return, by process, the command that a person would type in a terminal of its own."""
        set_up = " ".join(
            f"{name}={shlex.quote(value)}"
            for name, value in self.env.items()
            if name not in ("PATH", "PYTHONUNBUFFERED")
        )
        bin_folder = shlex.quote(str(Path(sys.executable).parent))
        start = (
            f"cd {shlex.quote(str(self.chapter.path))} && export PATH={bin_folder}:$PATH {set_up}"
        )
        return {
            name: service.by_hand() if name in self.servers else f"{start} && {service.command}"
            for name, service in self.services.items()
        }

    def _service(self, name: str) -> Service:
        if name not in self.services:
            raise UserError(
                f"There is no process '{name}': choose one of {', '.join(self.services)}."
            )
        return self.services[name]

    def _servers(self, broker: str, backend: str) -> tuple[str, str]:
        """Find the broker and the result backend, or prepare our own."""
        self.servers: list[str] = []
        broker_url = os.environ.get("CELERY_BROKER_URL")
        result_backend = os.environ.get("CELERY_RESULT_BACKEND")
        if broker_url and not probes.can_connect(broker_url):
            raise UserError(
                f"No broker answers at {without_password(broker_url)}: start it, "
                "or unset CELERY_BROKER_URL to get a private one."
            )
        if not broker_url and broker == "rabbitmq":
            broker_url = self._add(
                *brokers.rabbitmq_server(
                    "broker", self.folder / "rabbitmq", self.log, self.management
                )
            )
        elif not broker_url and broker != "redis":
            raise UserError(f"There is no broker '{broker}': BROKER is redis or rabbitmq.")
        if not result_backend and backend == "database":
            self.folder.mkdir(parents=True, exist_ok=True)
            result_backend = f"db+sqlite:///{self.folder.absolute() / 'results.sqlite'}"
        elif not result_backend and backend != "redis":
            raise UserError(
                f"There is no result backend '{backend}': BACKEND is redis or database."
            )
        if not (broker_url and result_backend):
            name = "backend" if broker_url else "broker"
            redis = self._add(*brokers.redis_server(name, self.folder / "redis", self.log))
            broker_url = broker_url or f"{redis}/0"
            result_backend = result_backend or f"{redis}/1"
        return broker_url, result_backend

    def _add(self, service: Service, url: str) -> str:
        self.services[service.name] = service
        self.servers.append(service.name)
        return url


def find_port(name: str, number: int) -> int:
    """Return the port that a variable names; else this number, unless it is 0 or taken."""
    wanted = os.environ.get(name)
    if wanted is None:
        return number if number and probes.is_free(number) else probes.free_port()
    if not wanted.isdecimal() or not 0 < int(wanted) <= 65535:
        raise UserError(f"{name} is no port: set it to a number such as {number}, or unset it.")
    if not probes.is_free(int(wanted)):
        raise UserError(f"{name}: port {wanted} is taken. Choose another, or unset it.")
    return int(wanted)
