"""Chapter 2 at work, for its tests: each pair of servers is started once, as a reader would."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.labs import EACH_PAIR, Labs, labs_of
from workbench.bench import Bench


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labs]:
    """Return a function that runs the chapter on a broker and a backend, once for all tests."""
    yield from labs_of("02", tmp_path_factory)


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


@pytest.fixture(params=EACH_PAIR)
def any_lab(request: pytest.FixtureRequest, labs: Labs) -> Iterator[Bench]:
    """Use the chapter on each pair of servers, and mend what the test has broken."""
    bench = labs(*request.param.split("-"))
    yield bench
    bench.start_all()


@pytest.fixture(scope="session")
def sample_photo() -> bytes:
    """Return a photo of the size that people bring."""
    samples = Path(__file__).parents[3] / "chapters/02_architecture/lab/static/samples"
    return (samples / "lake.jpg").read_bytes()
