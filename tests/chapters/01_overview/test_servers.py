"""Erratum f: who else waits while one request develops a photo depends on the server.

Each server gets the same sample photo, and a connection on which nobody says anything, such as
browsers open ahead of need. Measured is how long a second client waits, as a share of the photo.
"""

import re
import socket
import threading
import time
from collections.abc import Iterator
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


@pytest.mark.slow
def test_who_waits_for_a_photo(server: tuple[str, tuple[bool, bool]], sample_photo: bytes) -> None:
    url, (blocks, _) = server
    heartbeat(url, 5)
    answers: list[httpx.Response] = []
    took: list[float] = []

    def develop() -> None:
        started = time.monotonic()
        answers.append(httpx.post(f"{url}/blocking", files={"photo": sample_photo}, timeout=30))
        took.append(time.monotonic() - started)

    photo = threading.Thread(target=develop)
    photo.start()
    waits = []
    while photo.is_alive():
        waits.append(heartbeat(url, 30))
        photo.join(0.05)
    assert answers[0].status_code == 200
    share = max(waits) / took[0]
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
    for url in served(
        "waitress-serve --threads=4 --listen=127.0.0.1:{} app:app", redis_lab, tmp_path
    ):
        heartbeat(url, 5)
        photos = [
            threading.Thread(
                target=httpx.post,
                args=[f"{url}/blocking"],
                kwargs={"files": {"photo": sample_photo}, "timeout": 60},
            )
            for _ in range(4)
        ]
        for photo in photos:
            photo.start()
        waits = []
        while any(photo.is_alive() for photo in photos):
            waits.append(heartbeat(url, 60))
            photos[0].join(0.05)
        assert max(waits) > 0.5


@pytest.mark.slow
def test_who_is_held_up_by_an_idle_connection(server: tuple[str, tuple[bool, bool]]) -> None:
    url, (_, blocks) = server
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))):
        waited = heartbeat(url, 1.5)
    assert (waited >= 1.5) == blocks, f"waited {waited:.2f} s beside an idle connection"


def test_the_chapters_own_server_blocks_and_an_idle_connection_changes_nothing(
    lab: ChapterRun, sample_photo: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", lab.port)):
        assert heartbeat(lab.url, 5) < 1
        photo = threading.Thread(
            target=httpx.post,
            args=[f"{lab.url}/blocking"],
            kwargs={"files": {"photo": sample_photo}, "timeout": 30},
        )
        started = time.monotonic()
        photo.start()
        waits = []
        while photo.is_alive():
            waits.append(heartbeat(lab.url, 30))
            photo.join(0.05)
        took = time.monotonic() - started
    assert max(waits) > 0.6 * took
    assert any("Task queue depth is" in line for line in lab.log.lines("web"))
