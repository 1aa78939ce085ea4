"""Chapter 1 at work, for its tests: started once a module, as its reader would start it."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.waiting import wait_until
from workbench.bench import Bench
from workbench.brokers import find_rabbitmq
from workbench.trouble import Trouble

Status = dict[str, object]


@pytest.fixture(scope="session")
def redis_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Run the chapter on Redis, once for all tests."""
    with Bench("01", folder=tmp_path_factory.mktemp("redis")) as bench:
        yield bench


@pytest.fixture(scope="session")
def rabbitmq_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Run the chapter on RabbitMQ, once for all tests."""
    try:
        find_rabbitmq()
    except Trouble as trouble:
        pytest.skip(trouble.message)
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
def visitor() -> Iterator[httpx.Client]:
    """Be a visitor with a program instead of a browser."""
    with httpx.Client(timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def small_photo() -> bytes:
    """Return a photo that takes a tenth of a second at most: 160 x 120, taken sideways."""
    image = Image.linear_gradient("L").resize((160, 120)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: turn it clockwise to see it upright
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.fixture(scope="session")
def sample_photo() -> bytes:
    """Return a photo of the size that people bring."""
    samples = Path(__file__).parents[3] / "chapters/01_overview/static/samples"
    return (samples / "lake.jpg").read_bytes()


@pytest.fixture(scope="session")
def settled() -> Callable[[httpx.Client, str], Status]:
    """Return a function that asks for a status until it is final."""

    def ask(visitor: httpx.Client, address: str) -> Status:
        def look() -> Status | None:
            answer = visitor.get(address)
            answer.raise_for_status()
            status: Status = answer.json()
            return status if status["state"] in ("SUCCESS", "FAILURE") else None

        found = wait_until(look, f"{address} to be settled")
        assert found
        return found

    return ask
