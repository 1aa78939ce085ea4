"""Outages: three ways in which a server does not answer, and what a client is told."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from workbench.chapter_run import ChapterRun
from workbench.log import Log
from workbench.probes import answers_http, free_port
from workbench.service import Service

REFUSED_WITHIN, SILENT_WITHIN = 2.0, 5.0  # seconds, as DESIGN promises


def timed(ask: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    return ask(), time.monotonic() - started


def expect_503(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert "Traceback" not in answer.text


def refuses() -> socket.socket:
    """Return a socket that is bound and doesn't listen."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    return server


def is_silent() -> socket.socket:
    """Return a socket that takes connections and never says a word."""
    server = refuses()
    server.listen(64)
    return server


def drops() -> socket.socket:
    """Return a socket whose queue is full, so that the kernel drops what asks for a connection."""
    server = refuses()
    server.listen(0)
    for _ in range(3):
        client = socket.socket()
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.connect(server.getsockname())
        fillers.append(client)
    return server


fillers: list[socket.socket] = []
WAYS = {"refuses": refuses, "drops": drops, "is silent": is_silent}
BROKERS = {"redis": "redis://127.0.0.1:{}/0", "rabbitmq": "amqp://guest@127.0.0.1:{}//"}


@contextlib.contextmanager
def served(
    lab: ChapterRun, command: str, folder: Path, broker: str, part: str, way: str
) -> Iterator[str]:
    """Serve an app during an outage of its broker or its backend; give its address.

    The command has a {port}; the folder is for the app's files.
    """
    with WAYS[way]() as server:
        port = free_port()
        urls = {"broker": lab.broker_url, "backend": lab.result_backend}
        template = BROKERS[broker] if part == "broker" else BROKERS["redis"]
        urls[part] = template.format(server.getsockname()[1])
        service = Service(
            "web",
            command.format(port=port),
            ready=answers_http(port),
            log=Log(),
            cwd=lab.chapter.path,
            env=lab.env
            | {
                "CELERY_BROKER_URL": urls["broker"],
                "CELERY_RESULT_BACKEND": urls["backend"],
                "LAB_DIR": str(folder),
            },
        )
        try:
            service.launch()
            service.wait()
            yield f"http://127.0.0.1:{port}"
        finally:
            service.close()
            while fillers:
                fillers.pop().close()
