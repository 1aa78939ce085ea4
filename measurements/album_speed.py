"""Develop an album with one worker process and with two, and compare.

Run it from the repository's top folder: `PYTHONPATH=. python measurements/album_speed.py`. It takes
about two minutes; more photos and more rounds take longer, and vary less.
"""

import time
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import httpx

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "chapters/04_distributed_workflow/lab/static/samples"


def new_album(client: httpx.Client, photos: int) -> str:
    """Make an album of sample photos, and return its address."""
    album = client.post("/albums", data={"name": "Speed"}).json()["status"]
    for path in islice(cycle(sorted(SAMPLES.glob("*.jpg"))), photos):
        photo = {"photo": path.read_bytes()}
        client.post(f"{album}/photos", files=photo).raise_for_status()
    return str(album)


def seconds(client: httpx.Client, album: str) -> float:
    """Order an album, and return how long it takes until it is published."""
    started = time.perf_counter()
    client.post(f"{album}/orders").raise_for_status()
    wait_until(lambda: client.get(album).json()["state"] == "SUCCESS", "the album", 300)
    return time.perf_counter() - started


def measure(photos: int, rounds: int) -> dict[int, list[float]]:
    """Take turns, since the machine is better and worse by moments; return the seconds."""
    taken: dict[int, list[float]] = {1: [], 2: []}
    with (
        TemporaryDirectory() as folder,
        ChapterRun("04", folder=Path(folder), only=["web"]) as chapter_run,
        httpx.Client(base_url=chapter_run.url, timeout=60) as client,
    ):
        album = new_album(client, photos)
        for number in taken:
            chapter_run.add(f"{number}", f"celery -A make_celery worker --concurrency {number}")
        for _ in range(rounds):
            for number, found in taken.items():
                chapter_run.start(f"{number}")
                found.append(seconds(client, album))
                chapter_run.stop(f"{number}")
    return taken


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--photos", default=12, show_default=True, help="Photos of the album.")
@click.option("--rounds", default=2, show_default=True, help="How often each is measured.")
def main(photos: int, rounds: int) -> None:
    """Develop an album with one worker process and with two; print medians and their ratio."""
    taken = measure(photos, rounds)
    one, two = median(taken[1]), median(taken[2])
    print(
        f"{photos} photos: one process {one:.1f} s, two {two:.1f} s: {one / two:.2f} times as fast"
    )
    print(f"which is {one / two / 2:.0%} of the ideal")


if __name__ == "__main__":
    main()
