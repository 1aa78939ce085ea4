"""The doctor looks at the environment: what is installed, the port, the chapter's own code."""

import json
import os
import shlex
import subprocess
import sys
from contextlib import suppress

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
print(json.dumps({
    "broker": app.conf.broker_url or "amqp://guest:guest@localhost:5672//",
    "backend": app.conf.result_backend,
    "queue": app.conf.task_default_queue,
    "tasks": [name for name in app.tasks if not name.startswith("celery.")],
    "kept": maybe_timedelta(app.conf.result_expires or 0).total_seconds(),
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


def ask(examination: Examination) -> AppSettings | Finding:
    """Ask the chapter's Celery app for its settings and its tasks."""
    commands = examination.chapter.processes().values()
    words = next(line for line in map(shlex.split, commands) if "celery" in line and "-A" in line)
    code, env = (
        [sys.executable, "-c", ASK, words[words.index("-A") + 1]],
        os.environ | examination.env,
    )
    try:
        done = subprocess.run(
            code,
            cwd=examination.chapter.path,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        says = "Its code takes more than a minute to import."
        return Finding("app", says, "app-broken", f"git diff chapters/{examination.chapter.name}")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["(nothing)"])[-1]
        lines = [
            line for line in done.stderr.splitlines() if f'"{examination.chapter.path}' in line
        ]
        place = lines[-1].strip() + ": " if lines else ""
        return Finding(
            "app",
            f"Its code can't be imported. {place}{last}",
            "app-broken",
            f"git diff chapters/{examination.chapter.name}",
        )
    found = json.loads(done.stdout.splitlines()[-1])
    return AppSettings(**found | {"tasks": frozenset(found["tasks"])})
