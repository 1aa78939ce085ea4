"""Find out what is wrong with a lab, in plain words, and name the one command that mends it."""

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import kombu
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

ANSWERS_WITHIN = 2.0  # seconds, for workers; one that is alive answers in milliseconds
PROBE_WITHIN = 10.0  # seconds, for a message through broker, worker and backend
USUAL = ("redis://127.0.0.1:6379/0", "amqp://guest:guest@127.0.0.1:5672//")  # where brokers are
DOWN = (OperationalError, AMQPError, RedisError, SQLAlchemyError, OSError)
RESTART = "python -m workbench stop worker; python -m workbench start worker"


@dataclass(frozen=True)
class Finding:
    """What was found out about one thing. Without a fault all is well with it."""

    about: str
    says: str
    fault: str = ""  # a word that programs may rely on; FIELD_GUIDE.md has a heading for it
    mend: str = ""


@dataclass(frozen=True)
class Lab:
    """What the chapter's own Celery app says of itself."""

    broker: str
    backend: str | None
    queue: str
    tasks: frozenset[str]
    env: dict[str, str]

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
app = find_app(sys.argv[1])
app.loader.import_default_modules()
print(json.dumps({
    "broker": app.conf.broker_url or "amqp://guest:guest@localhost:5672//",
    "backend": app.conf.result_backend,
    "queue": app.conf.task_default_queue,
    "tasks": [name for name in app.tasks if not name.startswith("celery.")],
}))
"""


def examine(
    where: chapter.Chapter, env: dict[str, str], running: str, port: int
) -> Iterator[Finding]:
    """Look at everything, in the order in which one thing needs another; end with a fault.

    `env` has the variables that the lab's processes have, `running` is the address of its page if
    the workbench has started it, `port` the one that its page would like.
    """
    yield (found := machine())
    yield (found := found if found.fault else environment(where))
    if found.fault:
        return
    if not running:
        yield page(where, port)
    lab = ask(where, env)
    if isinstance(lab, Finding):
        yield lab
        return
    yield Finding("app", f"{len(lab.tasks)} tasks; they go into the queue '{lab.queue}'.")
    for look in (broker, backend, workers, probe):
        yield (found := look(lab, where, running))
        if found.fault:
            return


def visit(
    name: str, runs: Path, port: int, broker_url: str | None, say: Callable[[str], object] | None
) -> Iterator[Finding]:
    """Examine a chapter, or the one that runs if none is named; say each finding at once."""
    addresses = [
        address
        for address in control.runs(runs)
        if not name or address.chapter == chapter.find(name).name
    ]
    if len(addresses) > 1:
        addresses = [address for address in addresses if address.env["PORT"] == str(port)]
    address = addresses[0] if addresses else None
    where = chapter.find(address.chapter if address else name or "01")
    env = dict(address.env) if address else {}
    if broker_url:
        env["CELERY_BROKER_URL"] = broker_url
    if say:
        started = f"which runs at {address.url}" if address else "as it would be started by hand"
        say(f"{where.name}, {started}:\n")
    for finding in examine(where, env, address.url if address else "", port):
        if say:
            say(f"{'✗' if finding.fault else '✓'} {finding.about}: {finding.says}")
            if finding.fault:
                say(f"  Do: {finding.mend}\n  More: FIELD_GUIDE.md#{finding.fault}")
        yield finding


def machine() -> Finding:
    """Look at the Python."""
    version, system = platform.python_version(), f"{platform.system()} {platform.machine()}"
    return Finding("machine", f"Python {version} on {system}.")


def environment(where: chapter.Chapter) -> Finding:
    """Look at what is installed."""
    try:
        where.check_requirements()
    except Trouble as trouble:
        says = trouble.message.partition(":")[0] + "."
        return Finding("environment", says, "requirements", "rm -r .venv; make run")
    return Finding("environment", f"It has what {where.name} needs.")


def page(where: chapter.Chapter, port: int) -> Finding:
    """Look at the port of a page that isn't running yet, or was started by hand."""
    if probes.is_free(port):
        return Finding("page", f"It isn't running; port {port} is free for it.")
    holder = listener(port)
    if holder and holder.cwd() == str(where.path):
        return Finding("page", f"Something of {where.name} serves it at port {port}.")
    who = f"by {holder.name()} (process {holder.pid})" if holder else "by another program"
    return Finding(
        "page", f"Port {port} is taken {who}.", "port-taken", f"make run PORT={port + 1}"
    )


def listener(port: int) -> psutil.Process | None:
    """Return the process that listens on a port, if we may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            at = connection.laddr
            if connection.status == psutil.CONN_LISTEN and at and at.port == port:
                return psutil.Process(connection.pid) if connection.pid else None
    except psutil.Error:
        pass
    return None


def ask(where: chapter.Chapter, env: dict[str, str]) -> Lab | Finding:
    """Ask the chapter's Celery app for its settings and its tasks."""
    commands = where.processes().values()
    words = next(line for line in map(shlex.split, commands) if "celery" in line and "-A" in line)
    done = subprocess.run(
        [sys.executable, "-c", ASK, words[words.index("-A") + 1]],
        cwd=where.path,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
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
    return Lab(**found | {"tasks": frozenset(found["tasks"]), "env": env})


def broker(lab: Lab, where: chapter.Chapter, running: str) -> Finding:
    """Look at the broker: at its address, then at what answers there."""
    url = urlsplit(lab.broker)
    if url.scheme.partition("+")[0] not in TRANSPORT_ALIASES:
        return Finding(
            "broker",
            f"'{plain(lab.broker)}' is no broker's address: it begins with redis:// or amqp://.",
            "broker-url",
            "unset CELERY_BROKER_URL",
        )
    trouble = answers(lab.broker)
    if not trouble:
        return Finding("broker", f"It answers at {plain(lab.broker)}.")
    if trouble != "refused":
        return Finding(
            "broker",
            f"At {plain(lab.broker)}: {trouble}",
            "not-a-broker",
            "unset CELERY_BROKER_URL",
        )
    if running:
        return Finding(
            "broker",
            f"It doesn't run: nothing listens at {plain(lab.broker)}.",
            "no-broker",
            "python -m workbench start broker",
        )
    elsewhere = [other for other in USUAL if not answers(other)]
    if elsewhere:
        return Finding(
            "broker",
            f"Nothing listens at {plain(lab.broker)}; a broker answers at {plain(elsewhere[0])}.",
            "wrong-port",
            f"export CELERY_BROKER_URL={elsewhere[0]}",
        )
    return Finding("broker", f"Nothing listens at {plain(lab.broker)}.", "no-broker", "make redis")


def answers(url: str) -> str:
    """Say what is wrong with whatever is at a broker's address: nothing, if it answers."""
    options = {"socket_connect_timeout": 1, "socket_timeout": 2}
    try:
        with kombu.Connection(url, connect_timeout=2, transport_options=options) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            assert connection.default_channel
    except (*DOWN, ValueError) as error:
        text = f"{type(error.__cause__ or error).__name__}: {error}"
        if "refused" in text.lower() and "ACCESS_REFUSED" not in text:
            return "refused"
        if "auth" in text.lower() or "ACCESS_REFUSED" in text or "WRONGPASS" in text:
            return f"it wants another user or password. ({error})"
        return f"something listens there that isn't such a broker. ({error})"
    return ""


def plain(url: str) -> str:
    """Return an address without its password."""
    parts = urlsplit(url)
    host = f"***@{parts.netloc.rpartition('@')[2]}" if parts.password else parts.netloc
    return urlunsplit(parts._replace(netloc=host))


def backend(lab: Lab, where: chapter.Chapter, running: str) -> Finding:
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
    except (*DOWN, ValueError) as error:
        mend = "python -m workbench start backend" if running else "unset CELERY_RESULT_BACKEND"
        if urlsplit(lab.backend).port == urlsplit(lab.broker).port:
            mend = "python -m workbench start broker" if running else "make redis"
        return Finding(
            "backend",
            f"It doesn't answer at {plain(lab.backend)}. ({error})",
            "backend-away",
            mend,
        )
    return Finding("backend", f"It answers at {plain(lab.backend)}.")


def workers(lab: Lab, where: chapter.Chapter, running: str) -> Finding:
    """Look at the workers: is one there, of this app, on this queue, with today's code?"""
    inspect: Any = lab.celery().control.inspect(timeout=ANSWERS_WITHIN)
    stats = inspect.stats() or {}
    start = "python -m workbench start worker"
    by_hand = next(line for line in where.processes().values() if " worker" in line)
    mend = start if running else f"cd chapters/{where.name} && {by_hand}"
    if not stats:
        return nobody(lab, mend)
    queues, tasks = inspect.active_queues() or {}, inspect.registered() or {}
    settings = inspect.conf() or {}
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
        changed = newest(where) > time.time() - stats[name]["uptime"]
        again = RESTART if running else f"(Ctrl-C in the worker's terminal) {mend}"
        if missing and not known & lab.tasks:
            says = f"{name} is another app's: it knows {', '.join(sorted(known)) or 'no task'}."
            return Finding("workers", says, "other-app", f"kill {stats[name]['pid']}")
        if changed:
            says = f"{name} was started before the code was changed: it runs the old code."
            return Finding("workers", says, "old-worker", again)
        if missing:
            says = f"{name} doesn't know {', '.join(missing)}."
            return Finding("workers", says, "unregistered", again)
        writes = settings.get(name, {}).get("result_backend") or ""
        if place(writes) != place(lab.backend or ""):
            says = f"{name} writes results to {plain(writes) or 'nowhere'}: you read elsewhere."
            return Finding("workers", says, "other-backend", again)
    count = sum(len(stats[name]["pool"].get("processes") or []) or 1 for name in ours)
    return Finding("workers", f"{', '.join(ours)}: {count} processes.")


def nobody(lab: Lab, mend: str) -> Finding:
    """Say why no worker answers: is there none, or is it on another broker?"""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        try:
            if "worker" in words and any(Path(word).name == "celery" for word in words):
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


def place(url: str) -> tuple[str, str, int | None, str]:
    """Return what of an address tells two servers apart: not the password, which is masked."""
    parts = urlsplit(url)
    host = (parts.hostname or "").replace("localhost", "127.0.0.1")
    return parts.scheme, host, parts.port, parts.path


def newest(where: chapter.Chapter) -> float:
    """Return when the chapter's code was last changed."""
    code = [path for path in where.path.rglob("*.py") if "exercises" not in path.parts]
    return max(path.stat().st_mtime for path in code)


def probe(lab: Lab, _where: chapter.Chapter, _running: str) -> Finding:
    """Send a task that does nothing, and say how long each leg takes."""
    app = lab.celery()
    begun = time.time()
    try:
        # Each worker of Celery's has this one. It returns what it is given.
        result = app.send_task("celery.accumulate", [7], expires=PROBE_WITHIN)
        sent = time.time()
        result.get(timeout=PROBE_WITHIN, interval=0.01)
        ended = time.time()
    except NoResult:
        return Finding(
            "probe",
            f"It was sent, and nothing came back in {PROBE_WITHIN:.0f} s: the workers are busy, or "
            "many messages wait before it.",
            "probe-lost",
            "python -m workbench exec celery -A make_celery inspect active",
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
