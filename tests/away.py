"""Servers that are away: three ways to be so, and what a visitor is told."""

import contextlib
import socket
import time
from collections.abc import Callable

import httpx

REFUSED_WITHIN, SILENT_WITHIN = 2.0, 5.0  # seconds, as DESIGN promises


def timed(ask: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    return ask(), time.monotonic() - started


def is_a_503(answer: httpx.Response) -> None:
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
