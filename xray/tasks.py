"""What is remembered of each task, to say the next thing of it only once."""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass
class Task:
    """A task of which something was observed."""

    described: bool = False  # its message was seen, and what it says is a fact
    ticked: bool = False  # beat's tick that sent it is a fact
    ended: bool = False
    place: str | None = None  # the queue it waits in, "unacked", or None: neither was seen
    worker: str | None = None  # that has started it
    main: int | None = None  # that worker's main process
    pid: int | None = None  # the process that works on it, once the worker was asked
    started: float = 0


class Tasks:
    """The latest tasks."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._all: OrderedDict[str, Task] = OrderedDict()
        self.running: dict[str, Task] = {}  # started, and not known to have ended

    def __getitem__(self, task_id: str) -> Task:
        """Return what is remembered, which may be nothing yet."""
        found = self._all.get(task_id)
        if found is None:
            found = self._all[task_id] = Task()
            if len(self._all) > self._kept:
                forgotten, _ = self._all.popitem(last=False)
                self.running.pop(forgotten, None)
        return found

    def unfinished(self) -> list[str]:
        """Return the tasks that aren't known to have ended."""
        return [task_id for task_id, task in list(self._all.items()) if not task.ended]
