"""What the X-ray costs a worker.

A worker of two processes drains a queue of tasks that do nothing, time and again: with the X-ray
and without it, in turns, so that whatever else the machine does concerns both. It concerns them
unevenly: how much, the first comparison shows, of one way with itself. The processor time is that
of all together (broker, worker, X-ray), which is what two busy processors have to give.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import psutil

from tests.support.deployment import Deployment, collect_lines, xray
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Took:
    """How long a queue took to be emptied, by the clock and by the processors' work."""

    seconds: float
    worked: float

    def __str__(self) -> str:
        """Return both, for a line of a report."""
        return f"{self.seconds:.2f} s ({self.worked:.2f} s of work)"


def drain(deployment: Deployment, tasks: int) -> Took:
    """Fill the queue while the worker takes nothing, and measure how it is emptied."""
    deployment.worker_takes(False)
    deployment.send("noop", tasks)
    started, worked = time.perf_counter(), processor_time()
    deployment.worker_takes(True)

    def empty() -> bool:
        return not deployment.redis.llen("celery") and not deployment.redis.hlen("unacked")

    wait_until(empty, "the queue to be empty", 120)
    return Took(time.perf_counter() - started, processor_time() - worked)


def processor_time() -> float:
    """Return the processor time that all we have started has used."""
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return sum(each.user + each.system for each in times)


@contextmanager
def watching(deployment: Deployment, counted: list[tuple[int, int]], tasks: int) -> Iterator[None]:
    """Have an X-ray watched by one listener, and count the events that it has noted."""
    with xray(deployment) as url, collect_lines(url) as lines:
        wait_until(lambda: any('"of":"worker"' in line for line in lines), "the worker to be known")
        yield

        def noted() -> int:
            return sum(line.count('"of":"event"') for line in lines)

        wait_until(lambda: noted() >= 3 * tasks, "the last events", 30)
        counted.append((noted(), 3 * tasks))


def compare(name: str, pairs: int, run: Callable[[bool], Took]) -> None:
    """Run with and without, in turns, and print how they compare."""
    clock, work = [], []
    for number in range(pairs + 1):
        first = number % 2 == 0
        took = {way: run(way) for way in (first, not first)}
        if number:  # the first warms up
            clock.append(took[True].seconds / took[False].seconds)
            work.append(took[True].worked / took[False].worked)
            print(f"  {took[False]}, {took[True]}: {clock[-1]:.3f}, {work[-1]:.3f}", flush=True)
    for what, ratios in (("clock", clock), ("processor time", work)):
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(f"{name}, {what}: {statistics.median(ratios):.3f} (median of {pairs}; {spread})")


@click.command()
@click.option("--tasks", default=3000, show_default=True, help="In the queue that is drained.")
@click.option(
    "--pairs", default=7, show_default=True, help="Of drains, with the X-ray and without."
)
def main(tasks: int, pairs: int) -> None:
    """Print ratios of time with the X-ray to without it: by the clock, and of processor time."""
    print(f"load before: {os.getloadavg()}")
    counted: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory() as folder, Deployment(Path(folder)) as deployment:

        def watched(way: bool) -> Took:
            deployment.events(True)
            if not way:
                return drain(deployment, tasks)
            with watching(deployment, counted, tasks):
                return drain(deployment, tasks)

        def idle(way: bool) -> Took:
            deployment.events(False)
            if not way:
                return drain(deployment, tasks)
            with xray(deployment):
                return drain(deployment, tasks)

        compare("noise: events alone / the same again", pairs, lambda way: watched(False))
        compare("watching / events alone", pairs, watched)
        print(f"events noted, of those sent: {counted}")
        compare("running, nobody watching / not running", pairs, idle)
    print(f"load after: {os.getloadavg()}")


if __name__ == "__main__":
    main()
