"""The doctor sends a task through broker, worker and backend."""

import time
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from celery.exceptions import TimeoutError as NoResult
from celery.result import AsyncResult

from workbench.doctor.at_work import worker_processes
from workbench.doctor.findings import (
    ANSWERS_WITHIN,
    PROBE,
    START,
    AppSettings,
    Examination,
    Finding,
)
from workbench.doctor.workers import start_worker
from xray.addresses import without_password

PROBE_WITHIN = 10.0  # seconds, for a message through broker, worker and backend


def probe(settings: AppSettings, examination: Examination) -> Finding:
    """Send a task that does nothing, and say how long each leg takes."""
    app = settings.celery()
    done_before = times_done(app)
    begun = time.time()
    result = app.send_task(PROBE, [7], expires=PROBE_WITHIN)
    sent = time.time()
    try:
        result.get(timeout=PROBE_WITHIN, interval=0.01)
    except NoResult:
        result.forget()
        if times_done(app) > done_before:
            return elsewhere(settings, examination)
        return nothing_came_back(settings, examination)
    ended = time.time()
    # Redis tells of a result whatever its database, so look whether it is in ours.
    if app.AsyncResult(result.id).state == "PENDING":
        return elsewhere(settings, examination)
    done_at = when_done(result)
    result.forget()
    return legs(begun, sent, done_at, ended)


def legs(begun: float, sent: float, done_at: float, ended: float) -> Finding:
    """Say how long each leg has taken."""
    seconds = {
        "to the broker": sent - begun,
        "done by a worker": done_at - sent,
        "back": ended - done_at,
    }
    said = ", ".join(f"{leg} {1000 * max(0, took):.0f} ms" for leg, took in seconds.items())
    return Finding("probe", f"{said}; in all {1000 * (ended - begun):.0f} ms.")


def elsewhere(settings: AppSettings, examination: Examination) -> Finding:
    """Say that workers write their results to another place."""
    return Finding(
        "probe",
        "A worker has done it, but its result isn't at "
        f"{without_password(settings.backend or '')}: the worker writes to another result "
        "backend, or to none.",
        "other-backend",
        examination.restart(
            "set CELERY_RESULT_BACKEND in the worker's terminal, and start it again"
        ),
    )


def nothing_came_back(settings: AppSettings, examination: Examination) -> Finding:
    """Say that no worker has come to it."""
    return Finding(
        "probe",
        f"It was sent, and nothing came back in {PROBE_WITHIN:.0f} s: the workers are busy, or "
        "many messages wait before it.",
        "probe-lost",
        "wait for them, then: make doctor. If nothing moves, the tasks that were begun are lost: "
        + kill_worker(settings, examination),
    )


def kill_worker(settings: AppSettings, examination: Examination) -> str:
    """Return what ends a worker that would wait for its processes, and starts one."""
    if examination.running:
        return f"python -m workbench kill worker; {START} worker"
    here = [str(process.pid) for process in worker_processes(settings, examination)]
    if not here:
        return "kill the worker where it runs, and start it again"
    return f"kill -9 {' '.join(here)}; {start_worker(examination)}"


def when_done(result: AsyncResult[Any]) -> float:
    """Return when the worker had done it."""
    done = datetime.fromisoformat(str(result.date_done))
    return (done if done.tzinfo else done.replace(tzinfo=UTC)).timestamp()


def times_done(app: Celery) -> int:
    """Return how often the workers have taken this task since they were started."""
    inspect: Any = app.control.inspect(timeout=ANSWERS_WITHIN)
    return sum(stats["total"].get(PROBE, 0) for stats in (inspect.stats() or {}).values())
