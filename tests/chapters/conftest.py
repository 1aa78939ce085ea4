"""A client, a photo, and patience, for the tests of every chapter."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.support.waiting import wait_until

CHAPTERS = Path(__file__).parents[2] / "chapters"

Status = dict[str, object]


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """Be a client with a program instead of a browser."""
    with httpx.Client(timeout=60) as client:
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


@pytest.fixture(scope="module")
def sample_photo(request: pytest.FixtureRequest) -> bytes:
    """Return a photo of the size that people bring: one of the chapter's own samples."""
    chapter = CHAPTERS / request.path.parent.name
    return next(chapter.glob("**/static/samples/lake.jpg")).read_bytes()


@pytest.fixture(scope="session")
def final_status() -> Callable[[httpx.Client, str], Status]:
    """Return a function that asks for a status until it is final."""

    def ask(client: httpx.Client, address: str) -> Status:
        def look() -> Status | None:
            answer = client.get(address)
            answer.raise_for_status()
            status: Status = answer.json()
            return status if status["state"] in ("SUCCESS", "FAILURE") else None

        found = wait_until(look, f"{address} to be final_status")
        assert found
        return found

    return ask
