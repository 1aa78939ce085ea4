"""The doctor looks at the environment: what is installed, the port, the chapter's own code."""

import json
import os
import shlex
import subprocess
import sys
from contextlib import suppress
from itertools import count

import psutil

from workbench import probes
from workbench.doctor.findings import AppSettings, Examination, Finding
from workbench.errors import UserError

ASK = """
import json, sys
from celery.app.utils import find_app
from celery.utils.time import maybe_timedelta
app = find_app(sys.argv[1])
app.loader.import_default_modules()
options = app.conf.broker_transport_options
heeded = ("visibility_timeout", "priority_steps", "sep")
print(json.dumps({
    "broker": app.conf.broker_url or "amqp://guest:guest@localhost:5672//",
    "backend": app.conf.result_backend,
    "queue": app.conf.task_default_queue,
    "tasks": [name for name in app.tasks if not name.startswith("celery.")],
    "kept": maybe_timedelta(app.conf.result_expires or 0).total_seconds(),
    "transport": {name: options[name] for name in heeded if name in options},
}))
"""


def environment(examination: Examination) -> Finding:
    """Look at what is installed."""
    try:
        examination.chapter.check_requirements()
    except UserError as error:
        says = error.message.partition(":")[0] + "."
        return Finding("environment", says, "requirements", "rm -r .venv; make run")
    return Finding("environment", f"It has what {examination.chapter.name} needs.")


def page(examination: Examination) -> Finding:
    """Look at the port of a page that isn't running yet, or was started by hand."""
    port, folder = examination.port, str(examination.chapter.path)
    if probes.is_free(port):
        return Finding("page", f"It isn't running; port {port} is free for it.")
    who, its_folder = listener(port)
    if its_folder == folder:
        return Finding("page", f"A server that was started in {folder} has port {port}.")
    free = next(each for each in count(port + 1) if probes.is_free(each))
    return Finding("page", f"Port {port} is taken by {who}.", "port-taken", f"make run PORT={free}")


def listener(port: int) -> tuple[str, str]:
    """Return who listens on a port, and the folder it works in, as far as we may know."""
    with suppress(psutil.Error):  # a process of somebody else's
        for connection in psutil.net_connections("tcp"):
            at = connection.laddr
            if connection.status == psutil.CONN_LISTEN and at and at.port == port:
                process = psutil.Process(connection.pid)
                return f"{process.name()} (process {process.pid})", process.cwd()
    return "another program", ""


def ask(examination: Examination) -> AppSettings | Finding:
    """Ask the chapter's Celery app for its settings and its tasks."""
    broken = f"undo what this shows: git diff chapters/{examination.chapter.name}"
    try:
        done = import_app(examination)
    except subprocess.TimeoutExpired:
        return Finding("app", "Its code takes more than a minute to import.", "app-broken", broken)
    if done.returncode:
        says = f"Its code can't be imported. {why_not(done.stderr, examination)}"
        return Finding("app", says, "app-broken", broken)
    found = json.loads(done.stdout.splitlines()[-1])
    return AppSettings(**found | {"tasks": frozenset(found["tasks"])})


def import_app(examination: Examination) -> subprocess.CompletedProcess[str]:
    """Import the chapter's Celery app in a process of its own, as a worker would."""
    commands = examination.chapter.processes().values()
    words = next(line for line in map(shlex.split, commands) if "celery" in line and "-A" in line)
    return subprocess.run(
        [sys.executable, "-c", ASK, words[words.index("-A") + 1]],
        cwd=examination.chapter.path,
        env=os.environ | examination.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def why_not(stderr: str, examination: Examination) -> str:
    """Return a traceback's last line, and the last place in the chapter that it names."""
    last = (stderr.strip().splitlines() or ["(nothing)"])[-1]
    lines = [line for line in stderr.splitlines() if f'"{examination.chapter.path}' in line]
    place = lines[-1].strip() + ": " if lines else ""
    return place + last
