"""Broker or result backend away: a 503 soon, nothing lost, and back without a restart."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.outages import REFUSED_WITHIN, SILENT_WITHIN, WAYS, expect_503, served, timed
from workbench.chapter_run import ChapterRun

CHAPTER = Path(__file__).parents[3] / "chapters/01_overview"


def files(lab: Path) -> list[Path]:
    return sorted(path for path in lab.rglob("*") if path.is_file())


def orders_and_photos(lab: ChapterRun) -> set[Path]:
    return {*files(lab.folder / "lab/orders"), *files(lab.folder / "lab/photos")}


# --- a broker that is stopped, paused, and comes back --------------------------------------------


def test_a_stopped_broker_is_a_503_that_leaves_nothing_and_heals(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: Callable[..., Any]
) -> None:
    def order() -> httpx.Response:
        return client.post(f"{any_lab.url}/background", files={"photo": small_photo})

    assert order().status_code == 202  # a connection lies in the pool, and will be a dead one
    before = orders_and_photos(any_lab)
    for name in any_lab.servers:
        any_lab.stop(name)
    said = ""
    for _ in range(2):
        answer, seconds = timed(order)
        expect_503(answer)
        assert seconds < REFUSED_WITHIN
        said += answer.text
    assert "Your order wasn't taken" in said
    left = {path.name for path in orders_and_photos(any_lab) - before}
    assert all(f"see /tasks/{name}" in said for name in left), (
        "what may have left, and nothing else"
    )
    for name in any_lab.servers:
        any_lab.start(name)
    answer = order()
    assert answer.status_code == 202
    assert final_status(client, any_lab.url + answer.headers["Location"])["state"] == "SUCCESS"


def test_a_stopped_backend_is_a_503_for_a_status_too(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: Callable[..., Any]
) -> None:
    address = client.post(f"{lab.url}/background", files={"photo": small_photo}).headers["Location"]
    final_status(client, lab.url + address)
    lab.stop("broker")
    answer, seconds = timed(lambda: client.get(lab.url + address))
    expect_503(answer)
    assert seconds < REFUSED_WITHIN
    assert client.get(f"{lab.url}/").status_code == 200, "the page itself needs no broker"
    lab.start("broker")
    assert client.get(lab.url + address).json()["state"] == "SUCCESS", "the print is there"


def test_a_paused_broker_is_a_503_and_heals(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    def order() -> httpx.Response:
        return client.post(f"{lab.url}/background", files={"photo": small_photo})

    assert order().status_code == 202
    paused = lab.services["broker"].process_tree()
    for process in paused:
        process.suspend()
    try:
        answer, seconds = timed(order)
    finally:
        for process in paused:
            process.resume()
    expect_503(answer)
    assert seconds < SILENT_WITHIN
    assert order().status_code == 202


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


# --- each way of being away, for broker and backend, alone ---------------------------------------


CASES = [
    pytest.param("redis", "backend"),
    pytest.param("redis", "broker"),
    pytest.param("rabbitmq", "broker", marks=pytest.mark.slow),
]


@pytest.fixture
def web(
    redis_lab: ChapterRun, broker: str, part: str, way: str, tmp_path: Path
) -> Iterator[tuple[str, Path]]:
    """Serve the app while a part is away; return its address and where its files lie."""
    command = "waitress-serve --listen=127.0.0.1:{port} --threads=1 app:app"
    with served(redis_lab, command, tmp_path, broker, part, way) as address:
        yield address, tmp_path


@pytest.mark.parametrize(
    "way",
    [
        "refuses",
        "is silent",
        pytest.param(
            "drops",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops these"),
        ),
    ],
)
@pytest.mark.parametrize(("broker", "part"), CASES)
def test_away_is_said_in_time_and_what_was_refused_leaves_nothing(
    web: tuple[str, Path],
    client: httpx.Client,
    small_photo: bytes,
    broker: str,
    part: str,
    way: str,
) -> None:
    url, folder = web
    limit = SILENT_WITHIN if way == "is silent" else REFUSED_WITHIN
    answer, seconds = timed(lambda: client.post(f"{url}/background", files={"photo": small_photo}))
    expect_503(answer)
    assert seconds < limit
    if part == "backend" or way == "refuses" or (broker, way) == ("redis", "drops"):
        assert files(folder) == [], "definitely refused, so nothing is left"
    else:
        (order,) = files(folder / "orders")
        assert f"see /tasks/{order.name}" in answer.text, "it may have arrived, so it is kept"
