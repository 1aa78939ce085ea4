"""Compare the four pairs of broker and backend: round trips a second, relative to Redis + Redis.

Run it from the repository's top folder:
`PYTHONPATH=. python tests/chapters/02_architecture/round_trips.py`. It takes a minute or two.
"""

import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from celery import Celery

from workbench.chapter_run import ChapterRun

PAIRS = [(broker, backend) for broker in ("redis", "rabbitmq") for backend in ("redis", "database")]
ROUNDS, TRIPS = 7, 40


def rate(celery: Celery) -> float:
    """Return how many times a second a task is sent, done, and its result read."""
    started = time.perf_counter()
    for number in range(TRIPS):
        result = celery.send_task("tasks.my_task", [number, 1], queue="lab")
        assert result.get(timeout=10, interval=0.005) == number + 1
    return TRIPS / (time.perf_counter() - started)


def main() -> None:
    """Take turns, since the machine is better and worse by moments; print ratios of medians."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        apps = {}
        for broker, backend in PAIRS:
            chapter_run = ChapterRun(
                "02",
                broker=broker,
                backend=backend,
                folder=Path(folder) / f"{broker}-{backend}",
                only=["worker"],
            )
            stack.enter_context(chapter_run)
            apps[broker, backend] = Celery(
                broker=chapter_run.broker_url, backend=chapter_run.result_backend
            )
        for celery in apps.values():
            rate(celery)  # the first few are slow
        rates = [{pair: rate(celery) for pair, celery in apps.items()} for _ in range(ROUNDS)]
    base = median(one["redis", "redis"] for one in rates)
    for pair in PAIRS:
        print(f"{' + '.join(pair)}: {median(one[pair] for one in rates) / base:.2f}")


if __name__ == "__main__":
    main()
