"""The doctor looks at the workers: are there any, of this app, on its queue, with today's code?"""

import time
import urllib.request
from dataclasses import dataclass
from typing import Any

import psutil

from workbench.chapter import Chapter
from workbench.doctor.at_work import is_stopped, local_workers, worker_processes
from workbench.doctor.findings import (
    ANSWERS_WITHIN,
    START,
    AppSettings,
    Examination,
    Finding,
)
from xray.addresses import without_password
from xray.workers import OWN_QUEUE


@dataclass(frozen=True)
class Answers:
    """What workers say of themselves, by their names."""

    stats: dict[str, Any]
    queues: dict[str, list[str]]
    tasks: dict[str, set[str]]


def workers(settings: AppSettings, examination: Examination) -> Finding:
    """Look at the workers: is one there, of this app, on this queue, with today's code?"""
    answers = ask_all(settings)
    if not answers.stats:
        return nobody(settings, examination)
    ours = [name for name, queues in answers.queues.items() if settings.queue in queues]
    if not ours:
        return on_other_queues(settings, examination, answers)
    for name in ours:
        found = wrong_with(name, answers, settings, examination)
        if found:
            return found
    pools = [answers.stats[name]["pool"].get("processes") or [name] for name in ours]
    count = sum(map(len, pools))
    return Finding("workers", f"{', '.join(ours)}: {count} processes.")


def ask_all(settings: AppSettings) -> Answers:
    """Ask the workers who they are, where they take tasks from, and which they know."""
    stats = inspect(settings, None).stats() or {}
    if not stats:
        return Answers({}, {}, {})
    those = inspect(settings, list(stats))
    queues, tasks = those.active_queues() or {}, those.registered() or {}
    return Answers(
        stats,
        {name: [queue["name"] for queue in taken or []] for name, taken in queues.items()},
        {name: {task.partition(" ")[0] for task in known} for name, known in tasks.items()},
    )


def inspect(settings: AppSettings, names: list[str] | None) -> Any:
    """Return what asks these workers, or all."""
    app: Any = settings.celery()
    return app.control.inspect(destination=names, timeout=ANSWERS_WITHIN)


def start_worker(examination: Examination) -> str:
    """Return the command that starts the chapter's worker."""
    by_hand = next(line for line in examination.chapter.processes().values() if " worker" in line)
    if examination.running:
        return f"{START} worker"
    return f"cd chapters/{examination.chapter.name} && {by_hand}"


def restart_worker(examination: Examination) -> str:
    """Return the commands that stop the chapter's worker and start it again."""
    by_hand = f"(Ctrl-C in the worker's terminal) {start_worker(examination)}"
    return examination.restart(by_hand)


# --- one that takes tasks from the queue ----------------------------------------------------------


def wrong_with(
    name: str, answers: Answers, settings: AppSettings, examination: Examination
) -> Finding | None:
    """Say what is wrong with a worker that takes tasks from the queue, if anything is."""
    known = answers.tasks.get(name, set())
    missing = sorted(settings.tasks - known)
    if missing and not known & settings.tasks:
        says = f"{name} is another app's: it knows {', '.join(sorted(known)) or 'no task'}."
        return Finding("workers", says, "other-app", f"kill {answers.stats[name]['pid']}")
    again = restart_worker(examination)
    if newest(examination.chapter) > time.time() - answers.stats[name]["uptime"]:
        says = f"{name} was started before the code was changed: it runs the old code."
        return Finding("workers", says, "old-worker", again)
    if missing:
        says = f"{name} doesn't know {', '.join(missing)}."
        return Finding("workers", says, "unregistered", again)
    return None


def newest(chapter: Chapter) -> float:
    """Return when the chapter's code was last changed."""
    code = [path for path in chapter.path.rglob("*.py") if "exercises" not in path.parts]
    return max(path.stat().st_mtime for path in code)


# --- some that take none from it ------------------------------------------------------------------


def on_other_queues(settings: AppSettings, examination: Examination, answers: Answers) -> Finding:
    """Say why workers that answer take no tasks from the queue."""
    for name, queues in answers.queues.items():
        if any(queue.startswith(settings.queue + OWN_QUEUE) for queue in queues):
            return paused(name, examination)
    for name, queues in answers.queues.items():
        if not queues:
            return takes_nothing(name, examination)
    name = next(iter(answers.stats))
    takes = ", ".join(answers.queues.get(name, []))
    says = f"{name} answers, but takes tasks from '{takes}'; these go into '{settings.queue}'."
    mend = examination.restart(start_worker(examination))
    return Finding("workers", says, "other-queue", mend)


def paused(name: str, examination: Examination) -> Finding:
    """Say that the X-ray has paused a worker."""
    says = f"{name} is paused in the X-ray: it takes no tasks until somebody resumes it."
    if answers_http(examination.xray):
        return Finding("workers", says, "paused", f"press Resume at {name} in {examination.xray}")
    says += " That X-ray isn't there any more."
    return Finding("workers", says, "paused", restart_worker(examination))


def takes_nothing(name: str, examination: Examination) -> Finding:
    """Say that a worker takes tasks from no queue: with RabbitMQ a pause looks like this."""
    says = (
        f"{name} takes from no queue: it was paused in the X-ray (Resume ends it), or by "
        "`celery control cancel_consumer`."
    )
    return Finding("workers", says, "takes-nothing", restart_worker(examination))


def answers_http(url: str) -> bool:
    """Tell whether something answers at an address, if there is one."""
    try:
        return bool(url) and urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


# --- none that answers ----------------------------------------------------------------------------


def nobody(settings: AppSettings, examination: Examination) -> Finding:
    """Say why no worker answers: is there none, is it busy, or is it on another broker?"""
    processes = list(worker_processes(settings, examination))
    if processes:
        return stopped(processes[0]) if is_stopped(processes[0]) else busy(processes[0])
    for process, broker in local_workers(examination):
        says = (
            f"None answers here. One runs (process {process.pid}) on another broker: "
            f"{without_password(broker or 'the default of its app')}."
        )
        return Finding("workers", says, "worker-elsewhere", start_worker(examination))
    says = "None answers: what you order waits in the queue."
    return Finding("workers", says, "no-worker", start_worker(examination))


def stopped(worker: psutil.Process) -> Finding:
    """Say that the worker was stopped, as Ctrl-Z does."""
    says = f"None answers. One runs (process {worker.pid}), but it was stopped, as Ctrl-Z does."
    return Finding("workers", says, "worker-stopped", f"kill -CONT {worker.pid}")


def busy(worker: psutil.Process) -> Finding:
    """Say that the worker is there, and may be busy."""
    says = (
        f"None answers. One runs (process {worker.pid}): it may be busy. A worker with --pool solo "
        "answers when its task has ended."
    )
    mend = (
        "wait until its task has ended, then: make doctor. If it never ends, the task is lost: "
        f"kill -9 {worker.pid}"
    )
    return Finding("workers", says, "worker-silent", mend)
