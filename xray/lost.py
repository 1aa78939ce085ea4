"""What a worker had that is gone: found by asking the others, since nothing tells of it."""

import time

from celery.states import READY_STATES

from xray.amqp_queues import AmqpQueues
from xray.facts import Facts
from xray.redis_queues import RedisQueues
from xray.results import OtherResults, RedisResults
from xray.tasks import Task, Tasks
from xray.workers import Workers

EVERY, ASK_EVERY = 0.25, 2.0  # seconds
AFTER = 2.0  # seconds: the worker that is left may still tell, or put its messages back
SEEN_WITHIN = 2.0  # seconds: that a message has left may be seen later than who took it is gone
NOBODY = "No worker that answers has it."


class Lost:
    """Finds what a worker had, and no worker has any more.

    A message that Redis holds as unacknowledged was left behind, and comes back. So does one that
    RabbitMQ had delivered, at once. What had begun, or is nowhere, is lost.
    """

    def __init__(
        self,
        facts: Facts,
        tasks: Tasks,
        workers: Workers,
        queues: RedisQueues | AmqpQueues,
        results: RedisResults | OtherResults | None,
    ) -> None:
        self.facts, self.tasks, self.workers = facts, tasks, workers
        self.queues, self.results = queues, results
        self._since: dict[str, float] = {}  # task: when it was first seen without a worker
        self._left_behind: set[str] = set()  # those that were told
        self._missed: set[str] = set()  # those that no worker had when all were asked last
        self._looked = self._asked = 0.0

    def look(self) -> None:
        """Look once; note what has been without a worker for a moment."""
        now = time.time()
        if now < self._looked + EVERY:
            return
        self._looked = now
        reasons = self._reasons()
        self._since = {task_id: self._since.get(task_id, now) for task_id in reasons}
        due = [task_id for task_id, since in self._since.items() if since < now - AFTER]
        if not due or now < self._asked + ASK_EVERY:
            return
        self._asked = now
        held_by_workers = self.workers.holding()
        if held_by_workers is None:  # one hasn't answered: it may have them
            return
        missed = set(due) - held_by_workers
        for task_id in due:
            if task_id in missed:
                self._conclude(task_id, reasons[task_id])
            elif self.tasks[task_id].worker:
                self.tasks[task_id].told = now
        self._missed = missed

    def forget(self) -> None:
        """Have what was left behind told anew: nobody looked since."""
        self._left_behind.clear()

    def note_dead_processes(self) -> None:
        """Note at once that the process is gone on which a task runs: its worker tells later."""
        for task_id, task in list(self.tasks.running.items()):
            if task.pid and not task.is_dead and self.workers.has_died(str(task.worker), task.pid):
                task.is_dead = True
                self.facts.add("died", id=task_id, worker=task.worker, pid=task.pid)

    def _reasons(self) -> dict[str, str]:
        """Return the tasks that no worker seems to have, with the reason for each."""
        self._left_behind &= self.queues.held.keys()
        candidates = dict(self.tasks.running) | dict(self.tasks.fetched)
        candidates |= {task_id: self.tasks[task_id] for task_id in list(self.queues.held)}
        found = {}
        for task_id, task in candidates.items():
            if task_id not in self._left_behind and not task.ended:
                why = self._why(task)
                if why:
                    found[task_id] = why
        return found

    def _why(self, task: Task) -> str | None:
        """Return why no worker has a task any more; None if one may have it."""
        if task.place not in (None, "unacked"):
            return None  # it waits in a queue
        if task.worker is None:
            return NOBODY
        verb = "started" if task.started else "fetched"
        if self.workers.gone(task.worker, task.main):
            return f"{task.worker} (process {task.main}) had {verb} it, and is gone."
        if self.workers.has_connected_since(task.worker, task.told):
            return f"{task.worker} had {verb} it, and has lost its connection since."
        if task.pid and task.pid not in self.workers.processes(task.worker):
            return f"Process {task.pid} of {task.worker} had started it, and is gone."
        return None

    def _conclude(self, task_id: str, why: str) -> None:
        """Note what became of a task that no worker has."""
        task, now = self.tasks[task_id], time.time()
        if task_id in self.queues.held:
            self._left_behind.add(task_id)
            back = self.queues.comes_back_at(task_id)
            self.facts.add("left_behind", id=task_id, why=why, back=back)
            return
        state = self.results.state(task_id) if self.results else None
        has_begun = bool(task.started) or state == "STARTED"
        if self.results and (self.queues.is_end(state) or (has_begun and state in READY_STATES)):
            self.results.look([task_id])  # nothing else may have told of it
            self.tasks.has_ended(task_id)
        elif self.queues.gives_back and task.worker and not has_begun:
            self.tasks.waits_again(task_id)
            self.queues.left.append((now, task_id))  # who takes it next may not tell of it
            self.facts.add("given_back", id=task_id, why=why, queue=self.queues.only_name())
        elif task.worker or has_begun or self._was_taken_along(task_id):
            self.tasks.has_ended(task_id)
            task.is_lost = True
            self.facts.add("lost", id=task_id, why=why + self.queues.doubt)

    def _was_taken_along(self, task_id: str) -> bool:
        """Tell whether a worker took it from the queue and was killed before it told of that.

        Else it was done by one that tells nothing, and stores nothing. It is looked for twice,
        since it may be on its way from one place to the next.
        """
        if self.queues.gives_back or not self.results or task_id not in self._missed:
            return False
        return bool(self.workers.gone_since(self.tasks[task_id].told - SEEN_WITHIN))
