"""Develop an album with one worker process and with two, and compare."""

import time
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import httpx

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun


def new_album(client: httpx.Client, samples: list[Path], photos: int) -> str:
    """Make an album of sample photos, and return its address."""
    album = client.post("/albums", data={"name": "Speed", "email": "you@example.com"}).json()
    for path in islice(cycle(samples), photos):
        photo = {"photo": path.read_bytes()}
        client.post(f"{album['status']}/photos", files=photo).raise_for_status()
    return str(album["status"])


def seconds(client: httpx.Client, album: str) -> float:
    """Order an album, and return how long it takes until all of it is done."""
    started = time.perf_counter()
    client.post(f"{album}/orders").raise_for_status()
    wait_until(lambda: client.get(album).json()["state"] == "SUCCESS", "the album", 300)
    return time.perf_counter() - started


def take_turns(run: ChapterRun, client: httpx.Client, album: str, rounds: int) -> list[list[float]]:
    """Measure with one process and with two, in turns: the machine is better and worse by moments.

    Return the seconds of each.
    """
    taken: list[list[float]] = [[], []]
    for _ in range(rounds):
        for name, found in zip(("one", "two"), taken, strict=True):
            run.start(name)
            found.append(seconds(client, album))
            run.stop(name)
    return taken


@click.command()
@click.option("--chapter", default="04", show_default=True, help="The chapter that has albums.")
@click.option("--photos", default=24, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(chapter: str, photos: int, rounds: int) -> None:
    """Print the medians of one worker process and of two, and their ratio."""
    with (
        TemporaryDirectory() as folder,
        ChapterRun(chapter, folder=Path(folder), only=["web", "mail"]) as run,
        httpx.Client(base_url=run.url, timeout=60) as client,
    ):
        for number, name in enumerate(("one", "two"), start=1):
            run.add(name, f"celery -A make_celery worker --concurrency {number}")
        samples = sorted(run.chapter.path.glob("**/static/samples/*.jpg"))
        album = new_album(client, samples, photos)
        one, two = map(median, take_turns(run, client, album, rounds))
    ratio = one / two
    print(f"{photos} photos: one process {one:.1f} s, two {two:.1f} s: {ratio:.2f} times as fast")
    print(f"which is {ratio / 2:.0%} of the ideal")


if __name__ == "__main__":
    main()
