"""The doctor looks at the workers: are there any, of this app, on its queue, with today's code?"""

import time
from typing import Any

import psutil

from workbench.chapter import Chapter
from workbench.doctor.findings import ANSWERS_WITHIN, AppSettings, Examination, Finding
from xray.addresses import without_password


def workers(settings: AppSettings, examination: Examination) -> Finding:
    """Look at the workers: is one there, of this app, on this queue, with today's code?"""
    inspect: Any = settings.celery().control.inspect(timeout=ANSWERS_WITHIN)
    stats = inspect.stats() or {}
    by_hand = next(line for line in examination.chapter.processes().values() if " worker" in line)
    mend = examination.start("worker", f"cd chapters/{examination.chapter.name} && {by_hand}")
    if not stats:
        return nobody(settings, examination, mend)
    inspect = settings.celery().control.inspect(destination=list(stats), timeout=ANSWERS_WITHIN)
    queues, tasks = inspect.active_queues() or {}, inspect.registered() or {}
    ours = [
        name
        for name in stats
        if settings.queue in [queue["name"] for queue in queues.get(name, [])]
    ]
    if not ours:
        name = next(iter(stats))
        takes = ", ".join(queue["name"] for queue in queues.get(name, []))
        return Finding(
            "workers",
            f"{name} answers, but takes tasks from '{takes}'; these go into '{settings.queue}'.",
            "other-queue",
            mend,
        )
    for name in ours:
        known = {task.partition(" ")[0] for task in tasks.get(name, [])}
        missing = sorted(settings.tasks - known)
        changed = newest(examination.chapter) > time.time() - stats[name]["uptime"]
        again = examination.restart(f"(Ctrl-C in the worker's terminal) {mend}")
        if missing and not known & settings.tasks:
            says = f"{name} is another app's: it knows {', '.join(sorted(known)) or 'no task'}."
            return Finding("workers", says, "other-app", f"kill {stats[name]['pid']}")
        if changed:
            says = f"{name} was started before the code was changed: it runs the old code."
            return Finding("workers", says, "old-worker", again)
        if missing:
            says = f"{name} doesn't know {', '.join(missing)}."
            return Finding("workers", says, "unregistered", again)
    count = sum(len(stats[name]["pool"].get("processes") or []) or 1 for name in ours)
    return Finding("workers", f"{', '.join(ours)}: {count} processes.")


def nobody(settings: AppSettings, examination: Examination, mend: str) -> Finding:
    """Say why no worker answers: is there none, or is it on another broker?"""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        try:
            if "worker" in words and process.info["cwd"] == str(examination.chapter.path):
                theirs = process.environ().get("CELERY_BROKER_URL", "its app's default")
                if theirs != settings.broker:
                    return Finding(
                        "workers",
                        f"None answers here. One runs (process {process.pid}) on another broker: "
                        f"{without_password(theirs)}.",
                        "worker-elsewhere",
                        mend,
                    )
        except psutil.Error:
            continue
    return Finding("workers", "None answers: what you order waits in the queue.", "no-worker", mend)


def newest(chapter: Chapter) -> float:
    """Return when the chapter's code was last changed."""
    code = [path for path in chapter.path.rglob("*.py") if "exercises" not in path.parts]
    return max(path.stat().st_mtime for path in code)
