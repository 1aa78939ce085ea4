"""What is remembered of each task, to say the next thing of it only once."""

import time
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)  # as many as facts are kept: 20,000
class Task:
    """A task of which something was observed."""

    described: bool = False  # its message was seen, and what it says is a fact
    retries: int = 0  # of the message that was seen: each retry has another, under the same id
    fetched_try: int = 0  # of the message that a worker has received last
    gave_up: int = 0  # how many tries have
    ticked: bool = False  # beat's tick that sent it is a fact
    ended: bool = False
    place: str | None = None  # the queue it waits in, "unacked", or None: neither was seen
    worker: str | None = None  # that has fetched it, or has started it
    main: int | None = None  # that worker's main process
    pid: int | None = None  # the process that works on it, once the worker was asked
    told: float = 0  # when that was learned, or that it has left its queue
    started: float = 0
    is_dead: bool = False  # that process is gone
    is_looked_up: bool = False  # its result was looked at, to learn which group it belongs to
    is_lost: bool = False  # it was concluded that it has ended so
    is_revoked: bool = False  # workers were told


class Tasks:
    """The latest tasks."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._all: OrderedDict[str, Task] = OrderedDict()
        self.running: dict[str, Task] = {}  # started, and not known to have ended
        self.fetched: dict[str, Task] = {}  # taken from a queue, and not known to have started

    def __getitem__(self, task_id: str) -> Task:
        """Return what is remembered, which may be nothing yet."""
        found = self._all.get(task_id)
        if found is None:
            found = self._all[task_id] = Task()
            if len(self._all) > self._kept:
                forgotten, _ = self._all.popitem(last=False)
                self._no_longer_underway(forgotten)
        return found

    def get(self, task_id: str) -> Task | None:
        """Return what is remembered of a task, None if nothing is."""
        return self._all.get(task_id)

    def is_fetched(self, task_id: str, worker: str | None = None, main: int | None = None) -> None:
        """Note that a task has left its queue; which worker has it may not be known."""
        task = self[task_id]
        if task.ended or task_id in self.running:
            return
        task.place = task.place if task.place == "unacked" else None
        if worker:
            task.worker, task.main = worker, main
        if worker or not task.worker:
            task.told = time.time()
        self.fetched[task_id] = task

    def has_started(self, task_id: str, worker: str | None, main: int | None, at: float) -> None:
        """Note that a worker has begun with a task."""
        task = self[task_id]
        task.worker, task.main, task.pid, task.told = worker, main, None, time.time()
        task.started, task.is_dead = at, False
        self.fetched.pop(task_id, None)
        self.running[task_id] = task

    def gives_up(self, task_id: str) -> bool:
        """Note that a try has given up; tell whether the next one's message wasn't seen yet."""
        task = self[task_id]
        task.gave_up += 1
        task.described = False  # it comes again, in another message
        return max(task.retries, task.fetched_try) < task.gave_up

    def waits_again(self, task_id: str) -> None:
        """Note that a task is in a queue: no worker has it."""
        task = self[task_id]
        self._no_longer_underway(task_id)
        task.worker, task.main, task.pid, task.started = None, None, None, 0

    def has_ended(self, task_id: str) -> None:
        """Note that nothing more is expected of a task."""
        self[task_id].ended = True
        self._no_longer_underway(task_id)

    def _no_longer_underway(self, task_id: str) -> None:
        self.running.pop(task_id, None)
        self.fetched.pop(task_id, None)

    def unfinished(self) -> list[str]:
        """Return the tasks that aren't known to have ended."""
        return [task_id for task_id, task in list(self._all.items()) if not task.ended]
