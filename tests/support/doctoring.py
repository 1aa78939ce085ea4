"""To bring about what the doctor names: workers that somebody started, runs, and its findings."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.waiting import wait_until
from workbench import chapter
from workbench.log import Log
from workbench.probes import consumes, free_port, is_free
from workbench.service import Service

TRIAL, OTHER = "01_trial", "02_other"  # copies of a made-up chapter: its files can be changed
Doctor = Callable[..., list[dict[str, str]]]
Workbench = Callable[..., subprocess.CompletedProcess[str]]


def faults(findings: list[dict[str, str]]) -> list[str]:
    """Return what is wrong; each comes with the command that mends it."""
    found = [finding for finding in findings if finding["fault"]]
    assert all(finding["mend"] for finding in found)
    return [finding["fault"] for finding in found]


@contextlib.contextmanager
def worker(
    root: Path, env: dict[str, str], command: str, pool: str = "solo", **more: str
) -> Iterator[Service]:
    """Run a worker that somebody has started in the chapter's folder."""
    env = env | more
    service = Service(
        "worker",
        f"exec {command} --pool {pool} --without-mingle --without-gossip",
        ready=consumes(env["CELERY_BROKER_URL"]),
        log=Log(),
        cwd=root / "chapters" / TRIAL,
        env=env,
    )
    service.launch()
    try:
        service.wait()
        yield service
    finally:
        service.kill_tree()
        service.close()


OURS = "celery -A make_celery worker"


@contextlib.contextmanager
def running(root: Path, var: Path, *words: str, **more: str) -> Iterator[Workbench]:
    """Have `make run` at work; give a function that runs commands in a second terminal."""
    env = os.environ | {"WORKBENCH_ROOT": str(root), "WORKBENCH_VAR": str(var)}
    env |= {"PORT": str(free_port())} | more
    workbench = [sys.executable, "-m", "workbench"]
    with subprocess.Popen(
        [*workbench, "run", *words], cwd=chapter.ROOT, env=env, stdout=subprocess.PIPE, text=True
    ) as run:
        try:
            assert run.stdout
            assert any(line.startswith("Ready") for line in run.stdout)
            yield lambda *words: subprocess.run(
                [*workbench, *words],
                cwd=chapter.ROOT,
                env=env,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            run.terminate()
            run.communicate(timeout=30)


def examined(workbench: Workbench, *words: str) -> list[dict[str, str]]:
    """Call the doctor in the second terminal of a run, and return its findings."""
    done = workbench("doctor", "--json", *words)
    assert done.stderr == ""
    findings: list[dict[str, str]] = json.loads(done.stdout)
    return findings


def do_what_it_names(workbench: Workbench, finding: dict[str, str]) -> None:
    """Type the commands that mend a fault of a run."""
    for command in finding["mend"].split("; "):
        words = command.removeprefix("python -m workbench ")
        assert words != command, "a command of the second terminal"
        done = workbench(*words.split())
        assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def serving_http(port: int) -> Iterator[None]:
    """Listen on a port, and speak HTTP."""
    words = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
    ) as server:
        try:
            wait_until(lambda: not is_free(port), "a server")
            yield
        finally:
            server.kill()
