"""The doctor speaks of tasks: of all that nobody works on, or of one of yours."""

import math
import time
from typing import Any

from celery.exceptions import WorkerLostError
from celery.result import AsyncResult
from celery.states import FAILURE, READY_STATES

from workbench.doctor.findings import AppSettings, Examination, Finding
from workbench.doctor.look import Look, Survey, look, starter, survey
from workbench.doctor.messages import LOOKED_AT, back_by
from workbench.doctor.results import is_under_way

GIVE_UP = "make doctor GIVE_UP=1; then order it again"
NAMED = 3  # ids in a sentence

# --- all of them ----------------------------------------------------------------------------------


def orders(settings: AppSettings, examination: Examination, give_up: bool = False) -> Finding:
    """Look for tasks that have begun, or were fetched, and that nobody works on."""
    found = survey(settings, examination)
    note = "" if found.whole else f" (Only the first {LOOKED_AT} results were looked at.)"
    if lost := found.those("lost"):
        return given_up(settings, lost) if give_up else all_lost(lost, note)
    if found.those("fetched"):
        return all_fetched(settings, found, note)
    if unknown := found.those("unknown"):
        return Finding("orders", f"{some(unknown)}: {may_be_with(found.silent)}{note}")
    return Finding("orders", f"{len(found.fates)} under way, none without a worker.{note}")


def all_lost(lost: list[str], note: str) -> Finding:
    """Say that tasks have begun which nobody will end."""
    says = f"{some(lost)}: begun, and no worker works on it any more. It will never end.{note}"
    return Finding("orders", says, "lost", GIVE_UP)


def all_fetched(settings: AppSettings, found: Survey, note: str) -> Finding:
    """Say that workers that are gone had fetched tasks, which Redis gives back."""
    fetched = found.those("fetched")
    last = max(back_by(settings, found.fetched[task_id]) for task_id in fetched)
    return gives_back("orders", f"{some(fetched)}: ", last, note)


def given_up(settings: AppSettings, lost: list[str]) -> Finding:
    """Store a failure for each task that is lost, as Celery does when it sees a worker end."""
    app: Any = settings.celery()
    for task_id in lost:
        app.backend.mark_as_failure(task_id, WorkerLostError("The worker that had it is gone."))
    return Finding("orders", f"{some(lost)}: a failure is stored now. Order it again.")


def some(ids: list[str]) -> str:
    """Return how many tasks there are, and the ids of the first."""
    more = ", …" if len(ids) > NAMED else ""
    return f"{len(ids)} of your tasks ({', '.join(sorted(ids)[:NAMED])}{more})"


# --- one ------------------------------------------------------------------------------------------


def task(settings: AppSettings, examination: Examination, task_id: str) -> Finding:
    """Say what is known of a task: stored, with a worker, in the queue, or nowhere.

    One that is nowhere is looked for again: it may have been on its way.
    """
    found = task_now(settings, examination, task_id)
    return task_now(settings, examination, task_id) if found.fault else found


def task_now(settings: AppSettings, examination: Examination, task_id: str) -> Finding:
    """Look once for a task."""
    result = settings.celery().AsyncResult(task_id)
    state = result.state
    if state == FAILURE:
        return failed(result)
    if state in READY_STATES:
        return Finding("task", f"{task_id}: {state} is stored.")
    seen = look(settings, examination, {task_id})
    fate = seen.fate(task_id, is_under_way(state))
    if fate == "fetched":
        says = f"{task_id}: "
        return gives_back("task", says, back_by(settings, seen.messages.fetched[task_id]))
    if fate == "lost":
        return lost(result)
    if fate == "nowhere":
        return nowhere(settings, task_id)
    stored = f"{state} is stored; " if is_under_way(state) else ""
    return Finding("task", f"{task_id}: {stored}{whereabouts(seen, fate, task_id)}")


def whereabouts(seen: Look, fate: str, task_id: str) -> str:
    """Say where a task is that somebody has or will have."""
    if fate == "with a worker":
        return f"{seen.has[task_id]}."
    if fate == "waits":
        return f"it waits in the queue, {seen.messages.before[task_id]} before it."
    if fate == "unknown":
        return f"no worker that answers has it. {may_be_with(seen.silent)}"
    return (
        f"no worker has it. It may be one of the {seen.messages.unread} that wait in the queue. "
        "(Only Redis' can be looked into.)"
    )


def failed(result: AsyncResult[Any]) -> Finding:
    """Say what a task has failed with."""
    error = result.result
    kind = type(error).__name__
    says = f"{result.id}: FAILURE is stored: {kind}: {error}"
    return Finding("task", says, "task-failed", "mend the cause; then order it again", kind)


def lost(result: AsyncResult[Any]) -> Finding:
    """Say that nobody will end a task, and who had begun it."""
    worker, process = starter(result)
    who = f"Process {process} of {worker}" if worker else "A worker"
    says = (
        f"{result.id}: {result.state} is stored, and no worker works on it any more. {who} had "
        "begun it, and is gone. It will never end."
    )
    return Finding("task", says, "lost", GIVE_UP)


def nowhere(settings: AppSettings, task_id: str) -> Finding:
    """Say that nothing is known of a task."""
    says = (
        f"{task_id}: nothing is stored, no worker has it, and it doesn't wait. It was never sent, "
        f"or its result has expired: results are kept for {settings.kept / 3600:.0f} hours."
    )
    return Finding("task", says, "old-result", "order it again")


# --- both -----------------------------------------------------------------------------------------


def gives_back(about: str, which: str, back: float, note: str = "") -> Finding:
    """Say that a worker that is gone had fetched something, and when Redis gives it back."""
    minutes = max(1, math.ceil((back - time.time()) / 60))
    says = (
        f"{which}fetched by a worker that is gone. Redis has kept it, and gives it back to the "
        f"queue by itself, in about {minutes} min at the latest: visibility_timeout says when. "
        f"To order it again now would have it done twice.{note}"
    )
    by = time.strftime("%H:%M", time.localtime(back + 60))
    return Finding(about, says, "fetched", f"wait until {by}, with a worker running")


def may_be_with(worker: str) -> str:
    """Say that a worker that doesn't answer may have something."""
    return f"It may be with {worker} that doesn't answer: busy, as with --pool solo, or stopped."
