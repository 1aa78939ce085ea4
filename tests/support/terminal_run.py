"""`make run` in a terminal of its own, and commands in a second one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from workbench import chapter
from workbench.probes import free_port

ROOT = Path(__file__).parents[2]
FIRST = chapter.chapters()[0].name


def workbench(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the workbench to its end."""
    return subprocess.run(
        [sys.executable, "-m", "workbench", *words],
        cwd=ROOT,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Run:
    """A run in a terminal of its own."""

    def __init__(self, var: Path, *words: str, chapter_name: str = FIRST, **env: str) -> None:
        self.var = var
        self.port = free_port()
        self.mark = f"{os.getpid()}-{self.port}"
        run = [sys.executable, "-m", "workbench", "run", chapter_name, "--port", str(self.port)]
        self.process = psutil.Popen(
            [*run, *words],
            cwd=ROOT,
            env=os.environ | {"WORKBENCH_VAR": str(var), "RUN_MARK": self.mark, "XRAY": "0"} | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def read_until(self, words: str) -> None:
        """Read what it prints, up to the first line that holds these words."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return
        raise AssertionError(f"no line holds {words!r} in:\n{self.said}")

    def process_tree(self) -> list[psutil.Process]:
        """Return every process that carries this run's mark."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("RUN_MARK") == self.mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def tell(self, verb: str, name: str) -> subprocess.CompletedProcess[str]:
        """Tell the run something from a second terminal."""
        return workbench(verb, name, env={"WORKBENCH_VAR": str(self.var)})

    def end(self, number: int = signal.SIGINT) -> float:
        """Send a signal, and return how many seconds it takes to end."""
        started = time.monotonic()
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=30)
        self.said += rest
        return time.monotonic() - started
