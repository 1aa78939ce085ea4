"""Compare the four pairs of broker and result backend: round trips a second."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
from celery import Celery

from workbench.chapter_run import ChapterRun

PAIRS = [(broker, backend) for broker in ("redis", "rabbitmq") for backend in ("redis", "database")]


@contextmanager
def running(chapter: str, broker: str, backend: str, folder: Path) -> Iterator[Celery]:
    """Have a chapter's worker at work on a pair of servers; give a Celery app that sends to it."""
    folder = folder / f"{broker}-{backend}"
    with ChapterRun(chapter, broker=broker, backend=backend, folder=folder, only=["worker"]) as run:
        yield Celery(broker=run.broker_url, backend=run.result_backend)


def rate(celery: Celery, queue: str, trips: int) -> float:
    """Return how many times a second a task is sent, done, and its result read."""
    started = time.perf_counter()
    for number in range(trips):
        result = celery.send_task("tasks.my_task", [number, 1], queue=queue)
        assert result.get(timeout=10, interval=0.005) == number + 1
    return trips / (time.perf_counter() - started)


@click.command()
@click.option("--chapter", default="02", show_default=True, help="The chapter whose worker it is.")
@click.option("--queue", default="photos", show_default=True, help="The worker's queue.")
@click.option("--rounds", default=7, show_default=True)
@click.option("--trips", default=40, show_default=True, help="In each round.")
def main(chapter: str, queue: str, rounds: int, trips: int) -> None:
    """Print each pair's median rate, relative to that of Redis and Redis.

    The pairs take turns, since the machine is better and worse by moments.
    """
    with TemporaryDirectory() as folder, ExitStack() as stack:
        apps = [stack.enter_context(running(chapter, *pair, Path(folder))) for pair in PAIRS]
        for app in apps:
            rate(app, queue, trips)  # the first few are slow
        rounds_of_rates = [[rate(app, queue, trips) for app in apps] for _ in range(rounds)]
    medians = [median(rates) for rates in zip(*rounds_of_rates, strict=True)]
    for pair, found in zip(PAIRS, medians, strict=True):
        print(f"{' + '.join(pair)}: {found / medians[0]:.2f}")


if __name__ == "__main__":
    main()
