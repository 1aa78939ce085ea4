"""The doctor asks who works: which worker has a task, and who is there that doesn't answer."""

from collections.abc import Iterable, Iterator
from typing import Any

import psutil
from amqp.exceptions import NotFound, ResourceLocked
from celery import Celery

from workbench.doctor.findings import ANSWERS_WITHIN, AppSettings, Examination
from xray.addresses import is_redis

ASKED_FOR = 1_000  # tasks at once


def who_has(app: Celery, ids: set[str]) -> dict[str, str]:
    """Return what workers say of the tasks that they have: `celery@here has it (active)`."""
    found: dict[str, str] = {}
    if not ids:
        return found
    inspect: Any = app.control.inspect(timeout=ANSWERS_WITHIN)
    for name, held in (inspect.query_task(list(ids)[:ASKED_FOR]) or {}).items():
        for task_id, (how, _request) in held.items():
            found[task_id] = f"{name} has it ({how})"
    return found


def silent(settings: AppSettings, examination: Examination, names: Iterable[str]) -> str:
    """Return which worker may be there and doesn't answer, in words; nothing if none is.

    The names are those of workers that have begun tasks nobody says to have.
    """
    app = settings.celery()
    inspect: Any = app.control.inspect(timeout=ANSWERS_WITHIN)
    answering = inspect.stats() or {}
    pids = {stats["pid"] for stats in answering.values()}
    for process in worker_processes(settings, examination):
        if process.pid not in pids:
            return f"a worker here (process {process.pid})"
    if is_redis(settings.broker):
        return "a worker elsewhere" if listeners(app) > len(answering) else ""
    absent = [name for name in names if name not in answering and is_connected(app, name)]
    return absent[0] if absent else ""


def listeners(app: Celery) -> int:
    """Return how many workers are connected to a Redis: those that commands would reach.

    What is sent to count them is empty, and they drop that unread.
    """
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        return int(channel.client.publish(f"{channel.keyprefix_fanout}celery.pidbox", ""))


def is_connected(app: Celery, name: str) -> bool:
    """Tell whether RabbitMQ has the queue for commands to a worker: it goes with the worker."""
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        try:
            channel.queue_declare(f"{name}.celery.pidbox", passive=True)
        except NotFound:
            return False
        except ResourceLocked:  # it is the worker's own
            return True
    return True


def worker_processes(settings: AppSettings, examination: Examination) -> Iterator[psutil.Process]:
    """Find the main processes of workers in the chapter's folder, on the app's broker."""
    for process, broker in local_workers(examination):
        if (broker or examination.default_broker(settings)) == settings.broker:
            yield process


def local_workers(examination: Examination) -> Iterator[tuple[psutil.Process, str | None]]:
    """Find the main processes of workers in the chapter's folder, each with its broker, if set."""
    found = {}
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        if is_worker(process.info) and process.info["cwd"] == str(examination.chapter.path):
            found[process.pid] = process
    for process in found.values():
        try:
            if process.ppid() not in found:
                yield process, process.environ().get("CELERY_BROKER_URL")
        except psutil.Error:  # it has ended, or is somebody else's
            continue


def is_worker(info: dict[str, Any]) -> bool:
    """Tell whether a process is a worker, of any app."""
    words = info["cmdline"] or []
    is_there = info["status"] not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    return is_there and "worker" in words


def is_stopped(process: psutil.Process) -> bool:
    """Tell whether a process was stopped, by Ctrl-Z or a signal."""
    return process.is_running() and process.status() == psutil.STATUS_STOPPED
