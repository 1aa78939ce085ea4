"""For the notebook 03_workflow: send tasks at a rate, and count the messages meanwhile."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from celery import Task
from redis import Redis
from session import until

QUEUE = "photos"


class Run(NamedTuple):
    """The counts of a run, and when the last message was sent."""

    counts: list[tuple[float, int, int]]  # seconds, messages that wait, messages fetched
    sent_after: float  # seconds

    @property
    def longest(self) -> int:
        """Return how long the queue was at most."""
        return max(waiting for _, waiting, _ in self.counts)

    @property
    def fetched(self) -> int:
        """Return how many messages the worker had fetched at most."""
        return max(fetched for _, _, fetched in self.counts)

    @property
    def seconds(self) -> float:
        """Return how long it took until all were done."""
        return self.counts[-1][0]


def send_all(task: Task, number: int, rate: float) -> float:
    """Send tasks, so many a second at most, and return the seconds that this took."""
    begun = time.perf_counter()
    for sent in range(number):
        task.apply_async((20, 22), ignore_result=True)
        time.sleep(max(0, begun + sent / rate - time.perf_counter()))
    return time.perf_counter() - begun


def outrun(redis: Any, task: Task, number: int, rate: float = float("inf")) -> Run:
    """Send tasks, and count the messages every 20 ms until all are done."""
    counts: list[tuple[float, int, int]] = []
    with ThreadPoolExecutor() as others:
        begun, sending = time.perf_counter(), others.submit(send_all, task, number, rate)

        def look() -> bool:
            all_sent, found = sending.done(), depth(redis)
            counts.append((time.perf_counter() - begun, *found))
            return all_sent and found == (0, 0)

        until(look, "an empty queue")
    return Run(counts, sending.result())


def depth(redis: Redis) -> tuple[int, int]:
    """Count the messages of the queue: those that wait, and those that a worker has fetched."""
    fetched: Any = redis.hvals("unacked")
    waiting: Any = redis.llen(QUEUE)
    return waiting, sum(message.endswith(f'"{QUEUE}"]'.encode()) for message in fetched)
