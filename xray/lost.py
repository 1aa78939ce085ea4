"""Tasks that nobody will finish: found by what is gone, since nothing tells of them."""

import time

from celery.states import READY_STATES

from xray.facts import Facts
from xray.redis_queues import RedisQueues
from xray.results import OtherResults, RedisResults
from xray.tasks import Task, Tasks
from xray.workers import Workers

AFTER = 3.0  # seconds: the worker that is left may still tell, or the message come back


class Lost:
    """Finds tasks whose worker or process is gone, and whose message is nowhere."""

    def __init__(
        self,
        facts: Facts,
        tasks: Tasks,
        workers: Workers,
        queues: RedisQueues,
        results: RedisResults | OtherResults | None,
    ) -> None:
        self.facts, self.tasks, self.workers = facts, tasks, workers
        self.queues, self.results = queues, results
        self._since: dict[str, float] = {}

    def look(self) -> None:
        """Note those that have been without worker and message for a moment."""
        missing = {}
        for task_id, task in list(self.tasks.running.items()):
            why = self._why(task)
            # A message that comes back goes to the front of its queue, where we look.
            if why and task_id not in self.queues.held and not task.place:
                missing[task_id] = self._since.get(task_id, time.time())
                if missing[task_id] < time.time() - AFTER:
                    self.tasks.running.pop(task_id, None)
                    task.ended = True
                    if not self._has_ended(task_id):
                        self.facts.add("lost", id=task_id, why=why)
        self._since = missing

    def _why(self, task: Task) -> str | None:
        if self.workers.gone(str(task.worker), task.main):
            return f"{task.worker} (process {task.main}) had started it, and is gone."
        if task.pid and task.pid not in self.workers.processes(str(task.worker)):
            return f"Process {task.pid} of {task.worker} had started it, and is gone."
        return None

    def _has_ended(self, task_id: str) -> bool:
        return self.results is not None and self.results.state(task_id) in set(READY_STATES)
