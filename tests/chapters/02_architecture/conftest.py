"""Chapter 2 at work, for its tests: each pair of servers is started once, as a reader would."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workbench.bench import Bench
from workbench.brokers import find_rabbitmq
from workbench.trouble import Trouble

Labs = Callable[[str, str], Bench]

PAIRS = ["redis-redis", "redis-database", "rabbitmq-redis", "rabbitmq-database"]


def pairs(fast: int) -> list[object]:
    """Return the pairs of broker and backend; all but the first few are slow."""
    slow = [pytest.param(pair, marks=pytest.mark.slow) for pair in PAIRS[fast:]]
    return [*PAIRS[:fast], *slow]


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labs]:
    """Return a function that runs the chapter on a broker and a backend, once for all tests."""
    running: dict[str, Bench] = {}

    def run(broker: str, backend: str) -> Bench:
        pair = f"{broker}-{backend}"
        if broker == "rabbitmq":
            try:
                find_rabbitmq()
            except Trouble as trouble:
                pytest.skip(trouble.message)
        if pair not in running:
            folder = tmp_path_factory.mktemp(pair)
            bench = Bench("02", broker=broker, backend=backend, folder=folder)
            running[pair] = bench.__enter__()  # which closes what it has begun, if it fails
        return running[pair]

    try:
        yield run
    finally:
        with ThreadPoolExecutor() as pool:  # each takes a while
            list(pool.map(Bench.close, running.values()))


@pytest.fixture
def lab(labs: Labs) -> Iterator[Bench]:
    """Use the chapter on Redis and Redis, and mend what the test has broken."""
    bench = labs("redis", "redis")
    yield bench
    bench.start_all()


@pytest.fixture
def database_lab(labs: Labs) -> Iterator[Bench]:
    """Use the chapter with its results in a database, and mend what the test has broken."""
    bench = labs("redis", "database")
    yield bench
    bench.start_all()


@pytest.fixture(params=pairs(fast=1))
def any_lab(request: pytest.FixtureRequest, labs: Labs) -> Iterator[Bench]:
    """Use the chapter on each pair of servers, and mend what the test has broken."""
    bench = labs(*request.param.split("-"))
    yield bench
    bench.start_all()


@pytest.fixture(params=pairs(fast=1))
def any_lab_to_break(request: pytest.FixtureRequest, labs: Labs) -> Iterator[Bench]:
    """Use the chapter on each pair, for what takes seconds to mend, and mend it."""
    bench = labs(*request.param.split("-"))
    yield bench
    bench.start_all()


@pytest.fixture(scope="session")
def sample_photo() -> bytes:
    """Return a photo of the size that people bring."""
    samples = Path(__file__).parents[3] / "chapters/02_architecture/lab/static/samples"
    return (samples / "lake.jpg").read_bytes()
