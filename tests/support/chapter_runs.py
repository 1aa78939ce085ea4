"""Chapters at work: each pair of servers is started once for all tests, as a reader would."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from workbench.brokers import find_rabbitmq, redis_server
from workbench.chapter_run import ChapterRun
from workbench.errors import UserError
from workbench.log import Log
from workbench.service import Service

StartRun = Callable[[str, str], ChapterRun]
PAIRS = ["redis-redis", "redis-database", "rabbitmq-redis", "rabbitmq-database"]

# For a fixture's params: each pair of broker and backend; all but the first are slow.
EACH_PAIR = [PAIRS[0], *(pytest.param(pair, marks=pytest.mark.slow) for pair in PAIRS[1:])]


def chapter_runs(chapter: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRun]:
    """Give a function that runs a chapter on a broker and a backend, once; stop all in the end."""
    running: dict[str, ChapterRun] = {}

    def run(broker: str, backend: str) -> ChapterRun:
        pair = f"{broker}-{backend}"
        if broker == "rabbitmq":
            need_rabbitmq()
        if pair not in running:
            folder = tmp_path_factory.mktemp(pair)
            chapter_run = ChapterRun(chapter, broker=broker, backend=backend, folder=folder)
            running[pair] = chapter_run.__enter__()  # which closes what it has begun, if it fails
        return running[pair]

    try:
        yield run
    finally:
        with ThreadPoolExecutor() as pool:  # each takes a while
            list(pool.map(ChapterRun.close, running.values()))


def private_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Redis, give its address without a database, and stop it in the end."""
    service, url = redis_server("redis", tmp_path_factory.mktemp("redis"), Log())
    with started(service):
        yield url


@contextmanager
def started(service: Service) -> Iterator[None]:
    """Have a server ready during the block."""
    service.launch()
    try:
        service.wait()
        yield
    finally:
        service.close()


def need_rabbitmq() -> None:
    """Skip a test where there is no RabbitMQ, and say so."""
    try:
        find_rabbitmq()
    except UserError as error:
        pytest.skip(error.message)
