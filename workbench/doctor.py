"""Find out what is wrong with a lab, in plain words, and name the one command that mends it."""

import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
from amqp.exceptions import AMQPError
from celery import Celery
from celery.exceptions import TimeoutError as NoResult
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from workbench import chapter, control, probes
from workbench.trouble import Trouble

ANSWERS_WITHIN = 1.0  # seconds, for workers; one that is alive answers in milliseconds
PROBE_WITHIN = 10.0  # seconds, for a message through broker, worker and backend
USUAL = ["redis://127.0.0.1:6379/0", "amqp://guest:guest@127.0.0.1:5672//"]  # where brokers are
DOWN = (OperationalError, AMQPError, RedisError, SQLAlchemyError, OSError)
RESTART = "python -m workbench stop worker; python -m workbench start worker"


@dataclass(frozen=True)
class Finding:
    """What was found out about one thing. Without a fault all is well with it."""

    about: str
    says: str
    fault: str = ""  # a word that programs may rely on
    mend: str = ""


@dataclass(frozen=True)
class Lab:
    """What the chapter's own Celery app says of itself."""

    broker: str
    backend: str | None
    queue: str
    tasks: frozenset[str]
    kept: float  # seconds, for results

    def celery(self) -> Celery:
        """Make a Celery app that gives up soon."""
        quick = {"socket_connect_timeout": 1, "socket_timeout": 3, "max_retries": 0}
        app = Celery(broker=self.broker, backend=self.backend or "disabled://")
        app.conf.update(
            broker_connection_timeout=2,
            broker_transport_options=quick,
            result_backend_transport_options={"retry_policy": {"max_retries": 0}},
            redis_socket_connect_timeout=1,
            redis_socket_timeout=3,
            task_publish_retry=False,
            task_default_queue=self.queue,
        )
        return app


ASK = """
import json, sys
from celery.app.utils import find_app
from celery.utils.time import maybe_timedelta
app = find_app(sys.argv[1])
app.loader.import_default_modules()
print(json.dumps({
    "broker": app.conf.broker_url or "amqp://guest:guest@localhost:5672//",
    "backend": app.conf.result_backend,
    "queue": app.conf.task_default_queue,
    "tasks": [name for name in app.tasks if not name.startswith("celery.")],
    "kept": maybe_timedelta(app.conf.result_expires or 0).total_seconds(),
}))
"""


@dataclass(frozen=True)
class Visit:
    """What is to be examined: a chapter, and how it was started."""

    where: chapter.Chapter
    env: dict[str, str]  # what the lab's processes have
    port: int  # that its page has, or would like
    running: bool  # the workbench has started it
    others: list[str]  # brokers that may be meant

    def start(self, name: str, by_hand: str) -> str:
        """Return the command that starts one of its processes."""
        return f"python -m workbench start {name}" if self.running else by_hand

    def restart(self, by_hand: str) -> str:
        """Return the command that stops the worker and starts it again."""
        return RESTART if self.running else by_hand

    def examine(self, task_id: str = "") -> Iterator[Finding]:
        """Look at one thing after another, each of which needs the last; end with a fault."""
        yield Finding("machine", f"Python {platform.python_version()} on {platform.platform()}.")
        yield (found := environment(self))
        if found.fault:
            return
        if not self.running:
            yield page(self)
        lab = ask(self)
        if isinstance(lab, Finding):
            yield lab
            return
        yield Finding("app", f"{len(lab.tasks)} tasks; they go into the queue '{lab.queue}'.")
        for look in (broker, backend, workers, probe):
            yield (found := look(lab, self))
            if found.fault:
                return
        if task_id:
            yield task(lab, task_id)


def find(name: str, port: int, broker_url: str | None, runs: Path) -> Visit:
    """Choose what to examine: the chapter that is named, or the one that runs, or the first."""
    running = control.runs(runs)
    wanted = chapter.find(name).name if name else ""
    found = [address for address in running if wanted in ("", address.chapter)]
    if len(found) > 1:
        found = [address for address in found if address.env["PORT"] == str(port)]
    env = dict(found[0].env) if found else {}
    if broker_url:
        env["CELERY_BROKER_URL"] = broker_url
    return Visit(
        where=chapter.find(found[0].chapter if found else wanted or "01"),
        env=env,
        port=int(env.get("PORT", port)),
        running=bool(found),
        others=[address.env["CELERY_BROKER_URL"] for address in running] + USUAL,
    )


def environment(visit: Visit) -> Finding:
    """Look at what is installed."""
    try:
        visit.where.check_requirements()
    except Trouble as trouble:
        says = trouble.message.partition(":")[0] + "."
        return Finding("environment", says, "requirements", "rm -r .venv; make run")
    return Finding("environment", f"It has what {visit.where.name} needs.")


def page(visit: Visit) -> Finding:
    """Look at the port of a page that isn't running yet, or was started by hand."""
    port, folder = visit.port, str(visit.where.path)
    if probes.is_free(port):
        return Finding("page", f"It isn't running; port {port} is free for it.")
    who, its_folder = listener(port)
    if its_folder == folder:
        return Finding("page", f"A server that was started in {folder} has port {port}.")
    return Finding(
        "page", f"Port {port} is taken by {who}.", "port-taken", f"make run PORT={port + 1}"
    )


def listener(port: int) -> tuple[str, str]:
    """Return who listens on a port, and the folder it works in, as far as we may know."""
    with suppress(psutil.Error):  # a process of somebody else's
        for connection in psutil.net_connections("tcp"):
            at = connection.laddr
            if connection.status == psutil.CONN_LISTEN and at and at.port == port:
                process = psutil.Process(connection.pid)
                return f"{process.name()} (process {process.pid})", process.cwd()
    return "another program", ""


def ask(visit: Visit) -> Lab | Finding:
    """Ask the chapter's Celery app for its settings and its tasks."""
    where = visit.where
    commands = where.processes().values()
    words = next(line for line in map(shlex.split, commands) if "celery" in line and "-A" in line)
    code, env = [sys.executable, "-c", ASK, words[words.index("-A") + 1]], os.environ | visit.env
    try:
        done = subprocess.run(
            code, cwd=where.path, env=env, capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        says = "Its code takes more than a minute to import."
        return Finding("app", says, "app-broken", f"git diff chapters/{where.name}")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["(nothing)"])[-1]
        lines = [line for line in done.stderr.splitlines() if f'"{where.path}' in line]
        place = lines[-1].strip() + ": " if lines else ""
        return Finding(
            "app",
            f"Its code can't be imported. {place}{last}",
            "app-broken",
            f"git diff chapters/{where.name}",
        )
    found = json.loads(done.stdout.splitlines()[-1])
    return Lab(**found | {"tasks": frozenset(found["tasks"])})


def broker(lab: Lab, visit: Visit) -> Finding:
    """Look at the broker: at its address, then at what answers there."""
    if not is_address(lab.broker):
        return Finding(
            "broker",
            f"'{plain(lab.broker)}' is no broker's address: it begins with redis:// or amqp://.",
            "broker-url",
            "unset CELERY_BROKER_URL",
        )
    error = probes.connection_error(lab.broker)
    if error is None:
        return Finding("broker", f"It answers at {plain(lab.broker)}.")
    if re.search("(?i)auth|password|ACCESS_REFUSED", str(error)):
        says = f"{plain(lab.broker)} wants another user or password. ({error})"
        return Finding("broker", says, "broker-login", "unset CELERY_BROKER_URL")
    if "refused" not in str(error).lower():
        says = f"What is at {plain(lab.broker)} doesn't answer as such a broker does. ({error})"
        return Finding("broker", says, "not-a-broker", "unset CELERY_BROKER_URL")
    elsewhere = [] if visit.running else list(filter(probes.can_connect, visit.others))
    if elsewhere:
        return Finding(
            "broker",
            f"Nothing listens at {plain(lab.broker)}; a broker answers at {plain(elsewhere[0])}.",
            "wrong-port",
            f"export CELERY_BROKER_URL={elsewhere[0]}",
        )
    everything = f"make run CHAPTER={visit.where.name[:2]}"  # or else they type it all by hand
    mend = visit.start("broker", everything if probes.is_free(visit.port) else "make redis")
    return Finding("broker", f"Nothing listens at {plain(lab.broker)}.", "no-broker", mend)


def is_address(url: str) -> bool:
    """Tell whether this can be the address of a broker."""
    try:
        parts = urlsplit(url)
        return parts.scheme in TRANSPORT_ALIASES and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def plain(url: str) -> str:
    """Return an address without its password."""
    parts = urlsplit(url)
    host = f"***@{parts.netloc.rpartition('@')[2]}" if parts.password else parts.netloc
    return urlunsplit(parts._replace(netloc=host))


def backend(lab: Lab, visit: Visit) -> Finding:
    """Look at the result backend."""
    if not lab.backend or lab.backend.startswith("disabled"):
        return Finding(
            "backend",
            "There is none: nobody can be asked how a task stands, or what it returned.",
            "no-backend",
            "export CELERY_RESULT_BACKEND=redis://localhost:6379/1",
        )
    try:
        if lab.backend.startswith("db+"):
            create_engine(lab.backend.removeprefix("db+")).connect().close()
        elif lab.backend.startswith("redis"):
            with Redis.from_url(
                lab.backend, socket_connect_timeout=1, socket_timeout=2
            ) as connection:
                connection.ping()
        else:
            return Finding("backend", f"{plain(lab.backend)}, which only the probe can try.")
    except (*DOWN, ValueError) as error:
        mend = visit.start("backend", "unset CELERY_RESULT_BACKEND")
        return Finding(
            "backend",
            f"It doesn't answer at {plain(lab.backend)}. ({error})",
            "backend-away",
            mend,
        )
    return Finding("backend", f"It answers at {plain(lab.backend)}.")


def workers(lab: Lab, visit: Visit) -> Finding:
    """Look at the workers: is one there, of this app, on this queue, with today's code?"""
    inspect: Any = lab.celery().control.inspect(timeout=ANSWERS_WITHIN)
    stats = inspect.stats() or {}
    by_hand = next(line for line in visit.where.processes().values() if " worker" in line)
    mend = visit.start("worker", f"cd chapters/{visit.where.name} && {by_hand}")
    if not stats:
        return nobody(lab, visit, mend)
    inspect = lab.celery().control.inspect(destination=list(stats), timeout=ANSWERS_WITHIN)
    queues, tasks = inspect.active_queues() or {}, inspect.registered() or {}
    ours = [
        name for name in stats if lab.queue in [queue["name"] for queue in queues.get(name, [])]
    ]
    if not ours:
        name = next(iter(stats))
        takes = ", ".join(queue["name"] for queue in queues.get(name, []))
        return Finding(
            "workers",
            f"{name} answers, but takes tasks from '{takes}'; these go into '{lab.queue}'.",
            "other-queue",
            mend,
        )
    for name in ours:
        known = {task.partition(" ")[0] for task in tasks.get(name, [])}
        missing = sorted(lab.tasks - known)
        changed = newest(visit.where) > time.time() - stats[name]["uptime"]
        again = visit.restart(f"(Ctrl-C in the worker's terminal) {mend}")
        if missing and not known & lab.tasks:
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


def nobody(lab: Lab, visit: Visit, mend: str) -> Finding:
    """Say why no worker answers: is there none, or is it on another broker?"""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        try:
            if "worker" in words and process.info["cwd"] == str(visit.where.path):
                theirs = process.environ().get("CELERY_BROKER_URL", "its app's default")
                if theirs != lab.broker:
                    return Finding(
                        "workers",
                        f"None answers here. One runs (process {process.pid}) on another broker: "
                        f"{plain(theirs)}.",
                        "worker-elsewhere",
                        mend,
                    )
        except psutil.Error:
            continue
    return Finding("workers", "None answers: what you order waits in the queue.", "no-worker", mend)


def newest(where: chapter.Chapter) -> float:
    """Return when the chapter's code was last changed."""
    code = [path for path in where.path.rglob("*.py") if "exercises" not in path.parts]
    return max(path.stat().st_mtime for path in code)


def probe(lab: Lab, visit: Visit) -> Finding:
    """Send a task that does nothing, and say how long each leg takes."""
    app, name = lab.celery(), "celery.accumulate"  # each worker has it: it returns what it gets
    elsewhere = Finding(
        "probe",
        f"A worker has done it, but its result isn't at {plain(lab.backend or '')}: the worker "
        "writes to another result backend, or to none.",
        "other-backend",
        visit.restart("set CELERY_RESULT_BACKEND in the worker's terminal, and start it again"),
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
            visit.restart("Ctrl-C in the worker's terminal, and start it again"),
        )
    except (*DOWN, RuntimeError) as error:
        return Finding("probe", f"It failed: {error}", "probe-failed", "make doctor")
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


def task(lab: Lab, task_id: str) -> Finding:
    """Say what is known of a task: stored, with a worker, in the queue, or nowhere."""
    app = lab.celery()
    result = app.AsyncResult(task_id)
    if result.state != "PENDING":
        return Finding("task", f"{task_id}: {result.state} is stored.")
    inspect: Any = app.control.inspect(timeout=ANSWERS_WITHIN)
    for name, held in (inspect.query_task(task_id) or {}).items():
        if task_id in held:
            return Finding("task", f"{task_id}: {name} has it ({held[task_id][0]}).")
    if lab.broker.startswith("redis"):
        waiting = Redis.from_url(lab.broker).lrange(lab.queue, 0, -1)
        for number, message in enumerate(reversed(waiting)):
            if task_id.encode() in message:
                return Finding("task", f"{task_id}: it waits in the queue, {number} before it.")
    else:
        says = f"{task_id}: nothing is stored, no worker has it. It may wait in the queue, too."
        return Finding("task", says + " (Only Redis' can be looked into.)")
    return Finding(
        "task",
        f"{task_id}: nothing is stored, no worker has it, and it doesn't wait. It was never sent, "
        f"or its result has expired: results are kept for {lab.kept / 3600:.0f} hours.",
        "old-result",
        "order it again",
    )
