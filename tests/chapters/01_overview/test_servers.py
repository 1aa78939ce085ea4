"""Who else waits while one request develops a photo depends on the server.

Each server gets the same sample photo, and a connection on which nothing is sent, such as browsers
open before they need it. Measured is how long a second client waits, as a share of the photo.
"""

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import httpx
import pytest
from gunicorn.config import Config

from workbench.chapter_run import ChapterRun
from workbench.log import Log
from workbench.probes import answers_http, free_port
from workbench.service import Service

CHAPTER = Path(__file__).parents[3] / "chapters/01_overview"
SERVERS = {
    "waitress-serve --threads=1 --listen=127.0.0.1:{} app:app": (True, False),
    "waitress-serve --threads=4 --listen=127.0.0.1:{} app:app": (False, False),
    "flask run --port {}": (False, False),
    "flask run --without-threads --port {}": (True, True),
    "gunicorn --workers 1 --bind 127.0.0.1:{} app:app": (True, True),
    "gunicorn --workers 1 --threads 4 --bind 127.0.0.1:{} app:app": (False, False),
}


@pytest.fixture(params=SERVERS)
def server(
    request: pytest.FixtureRequest, redis_lab: ChapterRun, tmp_path: Path
) -> Iterator[tuple[str, tuple[bool, bool]]]:
    """Serve the app; return the address, and whether a photo and an idle connection block it."""
    for url in served(request.param, redis_lab, tmp_path):
        yield url, SERVERS[request.param]


def served(command: str, redis_lab: ChapterRun, tmp_path: Path) -> Iterator[str]:
    """Serve the app, and yield the address."""
    port = free_port()
    service = Service(
        command,
        command.format(port),
        ready=answers_http(port),
        log=Log(),
        cwd=CHAPTER,
        env=redis_lab.env | {"LAB_DIR": str(tmp_path)},
    )
    try:
        service.launch()
        service.wait()
        yield f"http://127.0.0.1:{port}"
    finally:
        service.close()


def heartbeat(url: str, seconds: float) -> float:
    """Return how long another client waits, at most so many seconds."""
    started = time.monotonic()
    try:
        assert httpx.get(f"{url}/heartbeat", timeout=seconds).status_code == 204
    except httpx.TimeoutException:
        return seconds
    return time.monotonic() - started


def post_photo(url: str, photo: bytes) -> float:
    """Have a photo developed in the request; return how long that took."""
    started = time.monotonic()
    httpx.post(f"{url}/blocking", files={"photo": photo}, timeout=60).raise_for_status()
    return time.monotonic() - started


def develop_and_ask(url: str, photo: bytes, photos: int = 1) -> tuple[float, list[float]]:
    """Return how long the photos took, and how long the other client waited meanwhile."""
    waits = []
    with ThreadPoolExecutor(photos) as visitors:
        at_work = [visitors.submit(post_photo, url, photo) for _ in range(photos)]
        while wait(at_work, timeout=0.05).not_done:
            waits.append(heartbeat(url, 60))
    return max(each.result() for each in at_work), waits


@pytest.mark.slow
def test_who_waits_for_a_photo(server: tuple[str, tuple[bool, bool]], sample_photo: bytes) -> None:
    url, (blocks, _) = server
    heartbeat(url, 5)
    took, waits = develop_and_ask(url, sample_photo)

    share = max(waits) / took
    assert (share > 0.75) == blocks, f"waited for {share:.0%} of the photo's time"


def test_the_lessons_table_says_what_is_tested() -> None:
    lesson = (CHAPTER / "README.md").read_text()
    rows = dict(re.findall(r"^> \| `(.+?)`.* \| (yes|no) \|$", lesson, re.MULTILINE))
    tested = {
        re.sub(r" --(listen|bind|port)[= ]\S*\{\}| app:app", "", command): blocks
        for command, (blocks, _) in SERVERS.items()
    }
    assert {command: answer == "yes" for command, answer in rows.items()} == tested


def test_gunicorn_kills_a_slow_request_after_30_seconds() -> None:
    assert Config().timeout == 30


@pytest.mark.slow
def test_four_threads_are_busy_with_four_photos(
    redis_lab: ChapterRun, tmp_path: Path, sample_photo: bytes
) -> None:
    command = "waitress-serve --threads=4 --listen=127.0.0.1:{} app:app"
    for url in served(command, redis_lab, tmp_path):
        heartbeat(url, 5)
        _, waits = develop_and_ask(url, sample_photo, photos=4)
        assert max(waits) > 0.5


@pytest.mark.slow
def test_whom_an_idle_connection_blocks(server: tuple[str, tuple[bool, bool]]) -> None:
    url, (_, blocks) = server
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))):
        waited = heartbeat(url, 1.5)
    assert (waited >= 1.5) == blocks, f"waited {waited:.2f} s"


@pytest.mark.slow
def test_the_chapters_own_server_blocks_and_an_idle_connection_changes_nothing(
    lab: ChapterRun, sample_photo: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", lab.port)):
        idle = heartbeat(lab.url, 5)
        took, waits = develop_and_ask(lab.url, sample_photo)

    assert idle < 1
    assert max(waits) > 0.6 * took
    assert [line for line in lab.log.lines("web") if "Task queue depth" in line] == []
