"""Beat's ticks. Its messages say that beat sent them, and not by which entry of its schedule."""

from typing import Any

from xray.facts import Facts
from xray.tasks import Tasks


class Beats:
    """Writes down each tick that is seen, or must have been."""

    def __init__(self, facts: Facts, tasks: Tasks) -> None:
        self.facts, self.tasks = facts, tasks
        self.schedule: dict[str, set[str]] = {}  # task: the entries that name it

    def read(self, schedule: dict[str, Any]) -> None:
        """Learn a schedule from the settings of a worker's app, which are mostly beat's, too."""
        for entry, what in schedule.items():
            self.schedule.setdefault(str(what.get("task")), set()).add(entry)

    def entry(self, name: str) -> str:
        """Return the entry that asks for a task, if there is only one; else nothing."""
        entries = self.schedule.get(name, set())
        return next(iter(entries)) if len(entries) == 1 else ""

    def seen(self, task_id: str, name: str, at: float | None = None) -> None:
        """Note a tick whose message was seen."""
        self._note(task_id, name, at, None)

    def guess(self, event: dict[str, Any]) -> None:
        """Note a tick whose message went too fast to be seen: nothing has asked for this task.

        It can't be told from somebody who sends by hand what beat would have sent.
        """
        name, task_id = str(event.get("name")), event["uuid"]
        alone = event.get("root_id") in (None, task_id) and not event.get("parent_id")
        if name in self.schedule and alone and not event.get("retries"):
            self._note(task_id, name, event.get("timestamp"), True)

    def _note(self, task_id: str, name: str, at: float | None, inferred: bool | None) -> None:
        task = self.tasks[task_id]
        if not task.ticked and not (inferred and task.described):
            task.ticked = True
            entry = self.entry(name)
            self.facts.add("beat", at, entry=entry, task=name, id=task_id, inferred=inferred)
