"""`make` as somebody types it in a terminal, who presses Ctrl-C in the end."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path


@contextlib.contextmanager
def make(*words: str, cwd: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Type `make` and some words; in the end press Ctrl-C, and wait until it has ended."""
    with subprocess.Popen(
        ["make", *words],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as made:
        try:
            yield made
        finally:
            os.killpg(made.pid, signal.SIGINT)
            made.communicate(timeout=30)


def page_of(made: subprocess.Popen[str]) -> str:
    """Wait until `make run` says that all is ready, and return the page's address."""
    assert made.stdout
    said = []
    for line in made.stdout:
        said.append(line)
        if line.startswith("Ready"):
            return line.split()[-1]
    raise AssertionError("".join(said))
