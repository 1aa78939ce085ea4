"""The broker or the result backend is down: a 503 soon, and all is well again without a restart."""

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.http_contract import paused
from tests.support.outages import REFUSED_WITHIN, SILENT_WITHIN, WAYS, expect_503, served, timed
from workbench.chapter_run import ChapterRun


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def orders_and_photos(lab: ChapterRun) -> set[Path]:
    return files(lab.folder / "lab/orders") | files(lab.folder / "lab/photos")


def send(client: httpx.Client, url: str, photo: bytes) -> httpx.Response:
    return client.post(f"{url}/background", files={"photo": photo})


# --- a broker that is stopped, or paused, and comes back -----------------------------------------


def test_a_stopped_broker_is_a_503_and_all_is_well_again_after_it(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: Callable[..., Any]
) -> None:
    send(client, any_lab.url, small_photo)  # its connection stays in the pool, and will be dead
    before = orders_and_photos(any_lab)
    for name in any_lab.servers:
        any_lab.stop(name)
    refused = [timed(lambda: send(client, any_lab.url, small_photo)) for _ in range(2)]
    left = {path.name for path in orders_and_photos(any_lab) - before}
    for name in any_lab.servers:
        any_lab.start(name)
    answer = send(client, any_lab.url, small_photo)

    for found, seconds in refused:
        expect_503(found)
        assert seconds < REFUSED_WITHIN
    said = "".join(found.text for found, _ in refused)
    assert left == set(re.findall(r"[0-9a-f-]{36}", said)), "only what may have been sent is left"
    assert answer.status_code == 202
    assert final_status(client, any_lab.url + answer.headers["Location"])["state"] == "SUCCESS"


def test_a_stopped_backend_is_a_503_for_a_status_too(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: Callable[..., Any]
) -> None:
    address = lab.url + send(client, lab.url, small_photo).headers["Location"]
    final_status(client, address)
    lab.stop("broker")
    answer, seconds = timed(lambda: client.get(address))
    page = client.get(f"{lab.url}/")
    lab.start("broker")

    expect_503(answer)
    assert seconds < REFUSED_WITHIN
    assert page.status_code == 200, "the page itself needs no broker"
    assert client.get(address).json()["state"] == "SUCCESS", "the print is there"


@pytest.mark.slow
def test_a_paused_broker_is_a_503_and_all_is_well_again_after_it(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    send(client, lab.url, small_photo)
    with paused(lab, "broker"):
        answer, seconds = timed(lambda: send(client, lab.url, small_photo))

    expect_503(answer)
    assert seconds < SILENT_WITHIN
    assert send(client, lab.url, small_photo).status_code == 202


@pytest.mark.slow
@pytest.mark.parametrize(("way", "at_least"), [("refuses", 10), ("is silent", 30)])
def test_celerys_defaults_keep_a_visitor_waiting(lab: ChapterRun, way: str, at_least: int) -> None:
    """Send with nothing but an address for broker and backend: this is what FAIL_FAST is for."""
    server = WAYS[way]()
    backend = f"redis://127.0.0.1:{server.getsockname()[1]}/1"
    code = (
        "from celery import Celery\n"
        f"Celery(broker={lab.broker_url!r}, backend={backend!r}).send_task('tasks.my_task')"
    )
    started = time.monotonic()
    with server, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", code], timeout=at_least + 2, check=False)

    assert time.monotonic() - started > at_least


# --- each kind of outage, of the broker alone and of the backend alone ---------------------------


CASES = [
    pytest.param("redis", "backend"),
    pytest.param("redis", "broker"),
    pytest.param("rabbitmq", "broker", marks=pytest.mark.slow),
]
ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops these")
ways = pytest.mark.parametrize(
    "way", ["refuses", "is silent", pytest.param("drops", marks=ONLY_LINUX)]
)


@pytest.fixture
def web(
    redis_lab: ChapterRun, broker: str, part: str, way: str, tmp_path: Path
) -> Iterator[tuple[str, Path]]:
    """Serve the app during an outage; return its address and the folder of its files."""
    command = "waitress-serve --listen=127.0.0.1:{port} --threads=1 app:app"
    with served(redis_lab, command, tmp_path, broker, part, way) as address:
        yield address, tmp_path


@pytest.mark.slow
@ways
@pytest.mark.parametrize(("broker", "part"), CASES)
def test_an_outage_is_said_in_time_and_leaves_nothing(
    web: tuple[str, Path], client: httpx.Client, small_photo: bytes, way: str
) -> None:
    url, folder = web
    limit = SILENT_WITHIN if way == "is silent" else REFUSED_WITHIN
    answer, seconds = timed(lambda: send(client, url, small_photo))

    expect_503(answer)
    assert seconds < limit
    assert files(folder) == set(), "nothing was sent, so nothing is left"
