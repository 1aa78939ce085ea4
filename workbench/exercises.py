"""Exercises: run a chapter's checks against the learner's files, and say what comes next.

An exercise is `exercises/N_name.py`, which the learner edits. Its check, hint and solution have the
same name in folders beside it. A check is a function, `check(chapter_run, answer)`, that asserts.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import textwrap
import time
import traceback
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

import click
import psutil
import watchfiles
from mirakuru.base_env import processes_with_env

from workbench import chapter
from workbench.chapter_run import ChapterRun
from workbench.errors import ProcessDiedError, UserError

MARK = "WORKBENCH_CHECK"  # a variable that all processes of a check inherit
LONGEST = 400  # characters of what a check says
GRACE = 5  # seconds in which a check stops what it started, before all of it is killed


class Verdict(NamedTuple):
    """How a check ended: it passed, failed (an assertion), met an error, or could not run."""

    state: str
    words: str = ""


class Attempt:
    """One check at work, in a process of its own: what the learner's file does ends with it."""

    def __init__(self, exercise: Path, answer: Path | None = None) -> None:
        chapter.VAR.mkdir(parents=True, exist_ok=True)
        self._folder = TemporaryDirectory(dir=chapter.VAR.absolute(), ignore_cleanup_errors=True)
        # The broker must be our own: anywhere else a strange worker might read our messages.
        env = {name: value for name, value in os.environ.items() if not name.startswith("CELERY_")}
        self._began = time.monotonic()
        self._process = psutil.Popen(
            [sys.executable, "-m", __name__, exercise, answer or exercise, self._folder.name],
            cwd=Path(__file__).resolve().parent.parent,
            env=env
            | {
                "PYTHONDONTWRITEBYTECODE": "1",  # nor read back what an earlier save left
                MARK: self._folder.name,
            },
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches us alone, and we pass it on
        )

    def __enter__(self) -> Self:
        """Let it work."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Leave nothing behind."""
        self._stop()
        self._folder.cleanup()

    def verdict(self, deadline: float) -> Verdict:
        """Wait for the end of the check, at most `deadline` seconds from its beginning."""
        late = ""
        try:
            self._process.wait(max(0.0, self._began + deadline - time.monotonic()))
        except psutil.TimeoutExpired:
            self._stop()
            late = f"it was not done after {deadline:g} s"
        file = Path(self._folder.name, "verdict.json")
        if not file.exists():  # killed, or left by os._exit
            return Verdict("error", late or f"exit status {self._process.returncode}")
        state, words = json.loads(file.read_text())
        return Verdict("error", f"{late}{words}") if late else Verdict(state, words)

    def _stop(self) -> None:
        """Stop it as Ctrl-C would, then kill what is left."""
        processes = self._process_tree()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        _, alive = psutil.wait_procs(processes, timeout=GRACE)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive)

    def _process_tree(self) -> list[psutil.Process]:
        """Return all that the check has started: it may have ended without stopping it."""
        found = set()
        # Redis writes its title over its variables, so look for the children of those marked, too.
        for pid in processes_with_env(MARK, self._folder.name):
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                found |= {process, *process.children(recursive=True)}
        return list(found)


def find(chapter_name: str) -> list[Path]:
    """Return a chapter's exercises, in order."""
    found = chapter.find(chapter_name)
    exercises = sorted(found.path.glob("exercises/[0-9]_*.py"))
    if not exercises:
        raise UserError(f"Chapter {found.name} has no exercises: choose another.")
    return exercises


def check(exercises: list[Path], deadline: float) -> bool:
    """Check all, at the same time; print how each does, and a hint for the first that fails."""
    verdicts = []
    with ExitStack() as stack:
        attempts = [stack.enter_context(Attempt(exercise)) for exercise in exercises]
        for exercise, attempt in zip(exercises, attempts, strict=True):
            verdicts.append(attempt.verdict(deadline))
            click.echo(line(exercise, verdicts[-1]))
    for exercise, verdict in zip(exercises, verdicts, strict=True):
        if verdict.state != "passed":
            click.echo(advice(exercise, verdict))
            return False
    solutions = exercises[0].parent.relative_to(chapter.ROOT) / "solutions"
    click.echo(f"\nAll pass. Compare yours with the solutions in {solutions}/")
    return True


def watch(exercises: list[Path], deadline: float) -> None:
    """Check all, and again on each save, for ever."""
    due = True
    for saved in watchfiles.watch(  # it listens already during the first check
        exercises[0].parent,
        watch_filter=watchfiles.PythonFilter(),
        recursive=False,
        rust_timeout=200,
        yield_on_timeout=True,
    ):
        if due or saved:
            check(exercises, deadline)
            click.echo("\nSave a file to check again; Ctrl-C ends it.\n")
        due = False


def line(exercise: Path, verdict: Verdict) -> str:
    """Return an exercise's line in the report."""
    if verdict.state == "unavailable":
        raise UserError(verdict.words)
    if verdict.state == "passed":
        return f"{click.style('✓', 'green')} {exercise.stem}"
    return f"{click.style('✗', 'red')} {exercise.stem}: {verdict.words}"


def advice(exercise: Path, verdict: Verdict) -> str:
    """Return what helps with an exercise that fails; the solution doesn't."""
    hint = (exercise.parent / "hints" / f"{exercise.stem}.md").read_text().strip()
    path = exercise.relative_to(chapter.ROOT)
    return f"\nNext: {path}\n{verdict.words}\n\nHint: {hint}"


def judge(exercise: Path, answer: Path, folder: Path) -> Verdict:
    """Run a check against an answer, in this process."""
    try:
        with ChapterRun(exercise.parent.parent.name, only=[], folder=folder) as chapter_run:
            os.environ.update(chapter_run.env)  # where the answer looks for its broker
            sys.path[:0] = [str(chapter_run.chapter.path), str(answer.parent)]
            try:
                importlib.import_module(answer.stem)  # a slip shows here, rather than in a worker
                check_file = exercise.parent / "checks" / exercise.name
                runpy.run_path(str(check_file))["check"](chapter_run, answer)
            except BaseException as error:  # also exit() and Ctrl-C
                return explain(error, answer)
            finally:
                gc.collect()  # results of Celery that the error held would miss a stopped Redis
                for name in chapter_run.services.keys() - set(chapter_run.servers):
                    chapter_run.kill(name)  # a second faster than to stop it, and nobody misses it
    except click.ClickException as error:  # no Redis, say
        return Verdict("unavailable", error.format_message())
    return Verdict("passed")


def explain(error: BaseException, answer: Path) -> Verdict:
    """Say in one line what an error was, and where in the answer it came up."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == answer]
    message = str(error)
    if isinstance(error, ProcessDiedError):
        said = [text.strip() for text in message.splitlines() if text.strip()]
        return Verdict("error", f"{said[0]} {said[-1]}")
    if isinstance(error, SyntaxError) and error.filename == str(answer):
        lines, message = [error.lineno], error.msg
    where = f", in line {lines[-1]} of {answer.name}" if lines else ""
    message = textwrap.shorten(message, LONGEST, placeholder=" …")
    if isinstance(error, KeyboardInterrupt):
        return Verdict("error", where)
    if isinstance(error, AssertionError) and not lines:
        return Verdict("failed", message)
    return Verdict("error", f"{type(error).__name__}: {message}{where}")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    verdict = judge(*map(Path, sys.argv[1:]))
    Path(sys.argv[3], "verdict.json").write_text(json.dumps(verdict))
    sys.stdout.flush()
    os._exit(0)  # the answer may hold results as well
