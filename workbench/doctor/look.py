"""The doctor looks for tasks: with a worker, in a queue, fetched and left, or nowhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from celery import Celery
from celery.result import AsyncResult

from workbench.doctor.at_work import ASKED_FOR, silent, who_has
from workbench.doctor.findings import AppSettings, Examination
from workbench.doctor.messages import Messages, messages
from workbench.doctor.results import begun, is_under_way

READ = 100  # results, to learn which workers have begun tasks
TROUBLE = {"lost", "fetched", "unknown"}


@dataclass(frozen=True)
class Look:
    """Where tasks are at one moment: with whom, or where their messages are."""

    has: dict[str, str]  # by a task's id, what the worker says that has it
    messages: Messages
    silent: str  # a worker that may have what nobody says to have

    def fate(self, task_id: str, has_begun: bool) -> str:
        """Say in a word where a task is."""
        if task_id in self.has:
            return "with a worker"
        if task_id in self.messages.before:
            return "waits"
        if self.silent:
            return "unknown"
        if task_id in self.messages.fetched:
            return "fetched"
        if self.messages.unread:
            return "may wait"
        return "lost" if has_begun else "nowhere"


@dataclass(frozen=True)
class Survey:
    """Where all tasks are that have begun, or that a worker has fetched."""

    fates: dict[str, str]
    fetched: dict[str, float]  # when
    silent: str
    whole: bool  # whether all results were looked at

    def those(self, fate: str) -> list[str]:
        """Return the tasks that have this fate."""
        return [task_id for task_id, found in self.fates.items() if found == fate]


def look(settings: AppSettings, examination: Examination, ids: set[str]) -> Look:
    """Look once for these tasks."""
    app = settings.celery()
    found = messages(settings, app)
    has = who_has(app, ids)
    missing = ids - has.keys() - found.before.keys()
    if not missing:
        return Look(has, found, "")
    return Look(has, found, silent(settings, examination, starters(app, missing)))


def starters(app: Celery, ids: Iterable[str]) -> set[str]:
    """Return the names of the workers that have begun these tasks, as far as results tell."""
    return {starter(app.AsyncResult(task_id))[0] for task_id in islice(ids, READ)} - {""}


def starter(result: AsyncResult[Any]) -> tuple[str, str]:
    """Return the worker and the process that have begun a task; nothing if none is known."""
    stored = result.result if is_under_way(result.state) else None
    if not isinstance(stored, dict):  # a task may store something of its own
        return "", ""
    return str(stored.get("hostname", "")), str(stored.get("pid", ""))


def survey(settings: AppSettings, examination: Examination) -> Survey:
    """Look for all tasks that have begun or were fetched.

    What seems to be with nobody is looked for again: it may have been on its way.
    """
    first = survey_once(settings, examination)
    if not TROUBLE & set(first.fates.values()):
        return first
    second = survey_once(settings, examination)
    fates = {
        task_id: fate for task_id, fate in second.fates.items() if first.fates.get(task_id) == fate
    }
    return Survey(fates, second.fetched, second.silent, second.whole)


def survey_once(settings: AppSettings, examination: Examination) -> Survey:
    """Look once for all tasks that have begun or were fetched."""
    app = settings.celery()
    started, whole = begun(app)
    fetched = messages(settings, app).fetched
    ids = set(islice(started | fetched.keys(), ASKED_FOR))
    seen = look(settings, examination, ids)
    fates = {task_id: seen.fate(task_id, task_id in started) for task_id in ids}
    all_asked = len(started | fetched.keys()) <= ASKED_FOR
    return Survey(fates, fetched, seen.silent, whole and all_asked)
