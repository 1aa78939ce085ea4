"""Chapter 1 at work, for its tests: started once a module, as its reader would start it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.labs import need_rabbitmq
from workbench.bench import Bench


@pytest.fixture(scope="session")
def redis_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Run the chapter on Redis, once for all tests."""
    with Bench("01", folder=tmp_path_factory.mktemp("redis")) as bench:
        yield bench


@pytest.fixture(scope="session")
def rabbitmq_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Run the chapter on RabbitMQ, once for all tests."""
    need_rabbitmq()
    with Bench("01", broker="rabbitmq", folder=tmp_path_factory.mktemp("rabbitmq")) as bench:
        yield bench


@pytest.fixture
def lab(redis_lab: Bench) -> Iterator[Bench]:
    """Use the chapter on Redis, and mend what the test has broken."""
    yield redis_lab
    redis_lab.start_all()


@pytest.fixture(params=["redis", pytest.param("rabbitmq", marks=pytest.mark.slow)])
def any_lab(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Use the chapter on each broker, and mend what the test has broken."""
    bench: Bench = request.getfixturevalue(f"{request.param}_lab")
    yield bench
    bench.start_all()


@pytest.fixture(scope="session")
def sample_photo() -> bytes:
    """Return a photo of the size that people bring."""
    samples = Path(__file__).parents[3] / "chapters/01_overview/static/samples"
    return (samples / "lake.jpg").read_bytes()
