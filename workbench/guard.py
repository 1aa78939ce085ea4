"""A process that outlives ours: should we be killed, it stops what we have started.

It imports no mirakuru, which kills at exit whatever carries a mark that holds its own number.

A run that ends as it should stops its processes itself; a notebook's kernel is often killed.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

STOPS_WITHIN = 3.5  # seconds, for everything; what isn't done by then is killed

_guards: list[subprocess.Popen[str]] = []


def announce(mark: str) -> None:
    """Announce a process that is about to start with this mark in its environment.

    Should we be killed before we can say its number, the guard still finds it.
    """
    _tell(mark)


def watch(pid: int, stop_signal: int, mark: str) -> None:
    """Have a process group stopped by this signal, should we end and leave it behind.

    The mark, in their environment, tells those of its descendants that have left the group.
    """
    _tell(f"{mark} {pid} {stop_signal}")


def _tell(line: str) -> None:
    if not _guards or _guards[-1].poll() is not None:
        _guards.append(
            subprocess.Popen(
                [sys.executable, "-m", "workbench.guard"],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.PIPE,  # closed when we are gone, however that came about
                text=True,
                start_new_session=True,  # Ctrl-C in our terminal isn't meant for it
            )
        )
        atexit.register(dismiss, _guards[-1])
    stdin = _guards[-1].stdin
    assert stdin
    stdin.write(f"{line}\n")
    stdin.flush()


def dismiss(guard: subprocess.Popen[str]) -> None:
    """Let a guard look for what we leave behind, and end."""
    with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
        guard.communicate(timeout=2 * STOPS_WITHIN)


def marked(marks: set[str]) -> Iterator[psutil.Process]:
    """Find the processes that carry one of these marks."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if marks.intersection(process.environ().values()):
                yield process


def wait_for_the_end(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until these processes do nothing any more; return those that outlast the deadline.

    A zombie has ended: that some other parent of it takes its time doesn't concern us.
    """
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if lives(process)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.02)
    return alive


def lives(process: psutil.Process) -> bool:
    """Tell whether a process is neither gone nor a zombie."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def kill(processes: list[psutil.Process]) -> None:
    """Kill processes that may have ended meanwhile: kill -9."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def main() -> None:
    """Note what we are told to watch; when nobody is left to tell us, stop it."""
    watched: list[tuple[psutil.Process, int]] = []
    marks = set()
    starting = set()
    for line in sys.stdin:
        mark, *process = line.split()
        marks.add(mark)
        if not process:
            starting.add(mark)
            continue
        starting.discard(mark)
        pid, stop_signal = process
        with contextlib.suppress(psutil.NoSuchProcess):
            # Tells a process from a later one that happens to get its number.
            watched.append((psutil.Process(int(pid)), int(stop_signal)))
    if starting:
        kill(list(marked(starting)))  # has done nothing yet that could be lost
    left = [(leader, number) for leader, number in watched if leader.is_running()]
    trees = list(marked(marks)) if left else []
    for leader, number in left:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            trees += [leader, *leader.children(recursive=True)]
            os.killpg(leader.pid, number)
    kill(wait_for_the_end(trees, STOPS_WITHIN))
    if left:
        kill(list(marked(marks)))  # what they started meanwhile


if __name__ == "__main__":
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    main()
