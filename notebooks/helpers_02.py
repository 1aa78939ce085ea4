"""What 02_architecture.ipynb does behind its cells: workers, recordings, a race of two workers."""

import os
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import psutil
from celery import Celery
from plots_02 import Fate
from session import until

from workbench.chapter_run import ChapterRun

Event = dict[str, Any]
OPTIONS = "--task-events --without-mingle --without-gossip"


def connections(url: str) -> int:
    """Count this kernel's connections to a Redis."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    found = psutil.Process().net_connections("tcp")
    return sum(bool(one.raddr) and one.raddr.port == port for one in found)


class EventListener:
    """Collects the events of all tasks, in a thread, until it is stopped."""

    def __init__(self, celery: Celery, redis: Any) -> None:
        self.events: list[Event] = []
        self._celery, self._stopped = celery, False
        self._thread = Thread(target=self._listen, daemon=True)
        before = redis.pubsub_numpat()
        self._thread.start()
        until(lambda: redis.pubsub_numpat() > before, "a listener that has subscribed")

    def _listen(self) -> None:
        with self._celery.connection_for_read() as connection:
            receiver = self._celery.events.Receiver(connection, handlers={"*": self._note})
            receiver.on_iteration = lambda: setattr(receiver, "should_stop", self._stopped)
            for _ in receiver.consume(wakeup=False, safety_interval=0.1):
                pass

    def _note(self, event: Event) -> None:
        if event["type"].startswith("task-"):
            self.events.append(event)

    def of(self, task_id: str, kind: str = "task-") -> list[Event]:
        """Return the events of a task."""
        found = [event for event in list(self.events) if event["uuid"] == task_id]
        return [event for event in found if event["type"].startswith(kind)]

    def stop(self) -> None:
        """Stop collecting."""
        self._stopped = True
        self._thread.join()


# --- a worker whose results are in a database ----------------------------------------------------


def start_database_worker(lab: ChapterRun) -> str:
    """Start a worker that takes from the queue `database`; return where its results are."""
    url = f"db+sqlite:///{lab.folder}/results.sqlite"
    options = f"-Q database -n database@%h --concurrency 1 --prefetch-multiplier 1 {OPTIONS}"
    setting = shlex.quote(f"CELERY_RESULT_BACKEND={url}")
    lab.add("database", f"env {setting} celery -A make_celery worker {options}")
    lab.services["database"].launch()
    return url


@contextmanager
def results_at(url: str) -> Iterator[None]:
    """Have the Celery apps that are made in this block look for results at an address."""
    before = os.environ["CELERY_RESULT_BACKEND"]
    os.environ["CELERY_RESULT_BACKEND"] = url
    try:
        yield
    finally:
        os.environ["CELERY_RESULT_BACKEND"] = before


# --- one message's journey -----------------------------------------------------------------------


@contextmanager
def recorded(redis: Any) -> Iterator[list[Event]]:
    """Note each command that a Redis gets, with its time (MONITOR)."""
    commands: list[Event] = []

    def listen(monitor: Any) -> None:
        while not (commands and commands[-1]["command"].startswith("ECHO")):
            commands.append(monitor.next_command())

    with redis.monitor() as monitor:
        thread = Thread(target=listen, args=[monitor], daemon=True)
        thread.start()
        yield commands
        redis.echo("the end")
        thread.join()


FROM_REDIS = {  # how a command begins, and what else is in it
    "SUBSCRIBE": ("SUBSCRIBE", "ID"),
    "LPUSH": ("LPUSH photos", "ID"),
    "HSET unacked": ("HSET unacked", "ID"),
    "HDEL unacked": ("HDEL unacked", ""),
    "SETEX STARTED": ("SETEX", "STARTED"),
    "SETEX SUCCESS": ("SETEX", "SUCCESS"),
}


def moments_of(task_id: str, commands: list[Event], events: list[Event]) -> dict[str, float]:
    """Pick the steps of one message, with the time of each."""
    moments = {event["type"]: event["timestamp"] for event in events if event["uuid"] == task_id}
    for step, (start, inside) in FROM_REDIS.items():
        wanted = task_id if inside == "ID" else inside
        [moments[step]] = [
            command["time"]
            for command in commands
            if command["command"].startswith(start) and wanted in command["command"]
        ]
    return moments


# --- a worker that is busy, and one that helps ---------------------------------------------------


@dataclass
class Race:
    """Two workers: one is busy, the other comes later and helps."""

    celery: Celery
    redis: Any

    def run(self, busy: str, helper: str, wake: str, share: int) -> list[Fate]:
        """Send a slow task and eight quick ones into a queue; return what became of each.

        `share` is how many messages the busy worker fetches; `wake` is the helper's own queue.
        """
        listener = EventListener(self.celery, self.redis)
        sent = time.time()
        work = [("tasks.develop", ["large"])] + [("tasks.my_task", [n, 1]) for n in range(8)]
        sends = [self.celery.send_task(*one, queue=busy, ignore_result=True) for one in work]
        ids = [one.id for one in sends]
        fetched = share, 8 - share
        until(lambda: (self.redis.hlen("unacked"), self.redis.llen(busy)) == fetched, "its share")
        awaited = list(ids)
        for change in (self.celery.control.add_consumer, self.celery.control.cancel_consumer):
            change(busy, destination=[helper], reply=True)
            awaited.append(self.celery.send_task("tasks.my_task", [0, 0], queue=wake).id)
            self.wait(listener, awaited)  # with the last one the helper looks into its queues anew
        listener.stop()
        return [fate(listener, one, sent, helper) for one in ids]

    def wait(self, listener: EventListener, ids: list[str]) -> None:
        """Wait until all of these tasks have succeeded."""
        until(lambda: all(listener.of(one, "task-succeeded") for one in ids), "the end of all")


def fate(listener: EventListener, task_id: str, sent: float, helper: str) -> Fate:
    """Return when a task was fetched, started and ended, in seconds since all were sent."""
    [received], [started], [ended] = (
        listener.of(task_id, f"task-{step}") for step in ("received", "started", "succeeded")
    )
    times = [event["timestamp"] - sent for event in (received, started, ended)]
    return Fate(times[0], times[1], times[2], by_the_busy=started["hostname"] != helper)


def counted(fates: Mapping[str, list[Fate]]) -> None:
    """Print, for each run, how many quick tasks were fetched, and how many ended late."""
    for title, (slow, *quick) in fates.items():
        held = sum(one.by_the_busy for one in quick)
        late = sum(one.ended > slow.ended for one in quick)
        print(f"{title}: it had fetched {held} quick ones. Ended after the slow one: {late}")
