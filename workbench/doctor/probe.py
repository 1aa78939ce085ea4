"""The doctor sends a task through broker, worker and backend; and looks for one of yours."""

import time
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from celery.exceptions import TimeoutError as NoResult
from redis import Redis

from workbench.doctor.findings import ANSWERS_WITHIN, AppSettings, Examination, Finding
from xray.addresses import without_password

PROBE_WITHIN = 10.0  # seconds, for a message through broker, worker and backend


def probe(settings: AppSettings, examination: Examination) -> Finding:
    """Send a task that does nothing, and say how long each leg takes."""
    app = settings.celery()
    name = "celery.accumulate"  # each worker has it: it returns what it gets
    elsewhere = Finding(
        "probe",
        "A worker has done it, but its result isn't at "
        f"{without_password(settings.backend or '')}: the worker writes to another result "
        "backend, or to none.",
        "other-backend",
        examination.restart(
            "set CELERY_RESULT_BACKEND in the worker's terminal, and start it again"
        ),
    )
    done_before = times_done(app, name)
    begun = time.time()
    try:
        result = app.send_task(name, [7], expires=PROBE_WITHIN)
        sent = time.time()
        result.get(timeout=PROBE_WITHIN, interval=0.01)
        ended = time.time()
        # Redis tells of a result whatever its database, so look whether it is in ours.
        if app.AsyncResult(result.id).state == "PENDING":
            return elsewhere
    except NoResult:
        result.forget()
        if times_done(app, name) > done_before:
            return elsewhere
        return Finding(
            "probe",
            f"It was sent, and nothing came back in {PROBE_WITHIN:.0f} s: the workers are busy, or "
            "many messages wait before it.",
            "probe-lost",
            examination.restart("Ctrl-C in the worker's terminal, and start it again"),
        )
    done = datetime.fromisoformat(str(result.date_done))
    done_at = (done if done.tzinfo else done.replace(tzinfo=UTC)).timestamp()
    result.forget()
    legs = {
        "to the broker": sent - begun,
        "done by a worker": done_at - sent,
        "back": ended - done_at,
    }
    said = ", ".join(f"{name} {1000 * max(0, seconds):.0f} ms" for name, seconds in legs.items())
    return Finding("probe", f"{said}; in all {1000 * (ended - begun):.0f} ms.")


def times_done(app: Celery, name: str) -> int:
    """Return how often the workers have taken a task since they were started."""
    inspect: Any = app.control.inspect(timeout=ANSWERS_WITHIN)
    return sum(stats["total"].get(name, 0) for stats in (inspect.stats() or {}).values())


def task(settings: AppSettings, task_id: str) -> Finding:
    """Say what is known of a task: stored, with a worker, in the queue, or nowhere."""
    app = settings.celery()
    result = app.AsyncResult(task_id)
    if result.state != "PENDING":
        return Finding("task", f"{task_id}: {result.state} is stored.")
    inspect: Any = app.control.inspect(timeout=ANSWERS_WITHIN)
    for name, held in (inspect.query_task(task_id) or {}).items():
        if task_id in held:
            return Finding("task", f"{task_id}: {name} has it ({held[task_id][0]}).")
    if settings.broker.startswith("redis"):
        waiting = Redis.from_url(settings.broker).lrange(settings.queue, 0, -1)
        for number, message in enumerate(reversed(waiting)):
            if task_id.encode() in message:
                return Finding("task", f"{task_id}: it waits in the queue, {number} before it.")
    else:
        says = f"{task_id}: nothing is stored, no worker has it. It may wait in the queue, too."
        return Finding("task", says + " (Only Redis' can be looked into.)")
    return Finding(
        "task",
        f"{task_id}: nothing is stored, no worker has it, and it doesn't wait. It was never sent, "
        f"or its result has expired: results are kept for {settings.kept / 3600:.0f} hours.",
        "old-result",
        "order it again",
    )
