"""Develop an album of 24 photos with one worker process and with two, and compare.

Run it from the repository's top folder:
`PYTHONPATH=. python tests/chapters/03_workflow/album_speed.py`. It takes some minutes.
"""

import time
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

PHOTOS, ROUNDS = 24, 3


def new_album(client: httpx.Client) -> str:
    """Make an album of sample photos, and return its address."""
    samples = Path(__file__).parents[3] / "chapters/03_workflow/lab/static/samples"
    album = client.post("/albums", data={"name": "Speed", "email": "you@example.com"}).json()
    for path in islice(cycle(sorted(samples.glob("*.jpg"))), PHOTOS):
        photo = {"photo": path.read_bytes()}
        client.post(f"{album['status']}/photos", files=photo).raise_for_status()
    return str(album["status"])


def seconds(client: httpx.Client, album: str) -> float:
    """Order an album, and return how long it takes until its sheet is mailed."""
    started = time.perf_counter()
    client.post(f"{album}/orders").raise_for_status()
    wait_until(lambda: client.get(album).json()["state"] == "SUCCESS", "the album", 300)
    return time.perf_counter() - started


def main() -> None:
    """Take turns, since the machine is better and worse by moments; print medians, their ratio."""
    with (
        TemporaryDirectory() as folder,
        ChapterRun("03", folder=Path(folder), only=["web", "mail"]) as chapter_run,
        httpx.Client(base_url=chapter_run.url, timeout=60) as client,
    ):
        album = new_album(client)
        taken: dict[int, list[float]] = {1: [], 2: []}
        for number in taken:
            chapter_run.add(f"{number}", f"celery -A make_celery worker --concurrency {number}")
        for _ in range(ROUNDS):
            for number, found in taken.items():
                chapter_run.start(f"{number}")
                found.append(seconds(client, album))
                chapter_run.stop(f"{number}")
    one, two = median(taken[1]), median(taken[2])
    print(
        f"{PHOTOS} photos: one process {one:.1f} s, two {two:.1f} s: {one / two:.2f} times as fast"
    )
    print(f"which is {one / two / 2:.0%} of the ideal")


if __name__ == "__main__":
    main()
