"""Chapters at work: each pair of servers is started once for all tests, as a reader would."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from workbench.bench import Bench
from workbench.brokers import find_rabbitmq, redis_server
from workbench.log import Log
from workbench.service import Service
from workbench.trouble import Trouble

Labs = Callable[[str, str], Bench]
PAIRS = ["redis-redis", "redis-database", "rabbitmq-redis", "rabbitmq-database"]

# For a fixture's params: each pair of broker and backend; all but the first are slow.
EACH_PAIR = [PAIRS[0], *(pytest.param(pair, marks=pytest.mark.slow) for pair in PAIRS[1:])]


def labs_of(chapter: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labs]:
    """Give a function that runs a chapter on a broker and a backend, once; stop all in the end."""
    running: dict[str, Bench] = {}

    def run(broker: str, backend: str) -> Bench:
        pair = f"{broker}-{backend}"
        if broker == "rabbitmq":
            need_rabbitmq()
        if pair not in running:
            folder = tmp_path_factory.mktemp(pair)
            bench = Bench(chapter, broker=broker, backend=backend, folder=folder)
            running[pair] = bench.__enter__()  # which closes what it has begun, if it fails
        return running[pair]

    try:
        yield run
    finally:
        with ThreadPoolExecutor() as pool:  # each takes a while
            list(pool.map(Bench.close, running.values()))


def redis_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
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
    except Trouble as trouble:
        pytest.skip(trouble.message)
