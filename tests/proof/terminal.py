"""A reader at the keyboard: types the commands of a lesson, and compares what they print.

A block of commands begins with `$`; what follows a command is all that it prints. A block marked
`stays` is a terminal of its own whose last command goes on; what is shown are lines to wait for. A
block that begins with `^C` ends the latest of these, and shows the last it prints. Someone who
looks too early looks again: a command that only reads (a `curl` that sends nothing) is repeated
until it shows what the lesson shows, for some seconds. `NAME=value` prints nothing: the variable is
there for all later commands, but for those that stay.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.proof.printed import Bindings, difference
from tests.support.waiting import wait_until
from workbench.chapter import chapters
from workbench.log import Log
from workbench.probes import free_port
from workbench.service import Service

LOOKS_FOR = 60  # seconds: a loaded machine develops six photos in half of it
ASSIGNMENT = re.compile(r"([A-Z_]+)=")


@dataclass(frozen=True)
class Step:
    """A command, what the lesson says it prints, and what it printed."""

    command: str
    shown: str
    printed: str


class Terminal:
    """The terminals of one reader of one lesson."""

    def __init__(self, root: Path, var: Path, environment: str = sys.prefix) -> None:
        self.root = root
        self.lab = var / "by-hand"
        self.staying: list[Service] = []
        self.variables: dict[str, str] = {}
        self.ports = {port: str(free_port()) for port in ("8000", "6379")}
        self.bindings = Bindings(dict(self.ports))
        named = {name for chapter in chapters() for name in chapter.ports()}
        self.env = {
            "PATH": os.pathsep.join([f"{environment}/bin", os.environ["PATH"]]),
            "PORT": self.ports["8000"],
            "PYTHONUNBUFFERED": "1",
            "REDIS_PORT": self.ports["6379"],
            "VIRTUAL_ENV": environment,
            "WORKBENCH_VAR": str(var),
        } | {name: str(free_port()) for name in named}

    def follow(self, block: str, stays: bool) -> list[Step]:
        """Do what a block says; raise AssertionError where it prints something else."""
        if block.startswith("^C\n"):
            return [self._interrupt(block.removeprefix("^C\n"))]
        steps = self.commands(block)
        assert steps, "a block of commands begins with '$ '"
        if stays:
            return [self._stay(" && ".join(command for command, _ in steps), steps[-1][1])]
        return [self._type(command, shown) for command, shown in steps]

    def commands(self, block: str) -> list[tuple[str, str]]:
        """Return the commands of a block, with what is shown below each."""
        found: list[tuple[str, str]] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), ""))
            elif found and found[-1][0].endswith("\\"):
                found[-1] = (f"{found[-1][0][:-1]} {line.strip()}", "")
            else:
                assert found, f"a line before the first command: {line}"
                found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
        return found

    def close(self) -> None:
        """End all that stays."""
        for service in reversed(self.staying):
            service.halt()  # with time to stop what it has started itself
            service.close()
        self.staying.clear()

    def _type(self, command: str, shown: str) -> Step:
        assignment = ASSIGNMENT.match(command)
        if assignment:
            return self._assign(assignment[1], command, shown)
        assert shown, f"nothing is shown of what this prints: {command}"
        assert not command.startswith("cd "), "a reader would be elsewhere from here on"
        real = self._real(command)
        printed = ""

        def run() -> str | None:
            nonlocal printed
            done = self._run(real)
            printed = done.stdout
            if done.returncode:
                return f"exit status {done.returncode}, and printed:\n{printed}"
            return difference(shown, printed, self.bindings)

        wrong = run()
        sends = re.search(r" (-F|-d|-X|-T|--data)", command.partition("|")[0])
        if wrong and command.startswith("curl") and not sends:
            try:
                wait_until(lambda: run() is None, command, LOOKS_FOR)
            except AssertionError:
                wrong = difference(shown, printed, self.bindings)
            else:
                wrong = None
        assert not wrong, f"$ {real}\n{wrong}"
        return Step(command, shown, printed)

    def _assign(self, name: str, command: str, shown: str) -> Step:
        """Keep a variable: its value follows what the command itself prints."""
        real = self._real(command)
        mark = "-- the variable --"
        done = self._run(f'{real}\nprintf "%s%s" {shlex.quote(mark)} "${name}"')
        printed, _, value = done.stdout.partition(mark)
        wrong = difference(shown, printed, self.bindings)
        assert not wrong, f"$ {real}\n{wrong}"
        assert value, f"{name} is empty after: $ {real}"
        self.variables[name] = value
        return Step(command, shown, printed)

    def _run(self, real: str) -> subprocess.CompletedProcess[str]:
        """Run a command, with the variables of the commands before it."""
        known = "".join(f"{name}={shlex.quote(value)}\n" for name, value in self.variables.items())
        return subprocess.run(
            ["bash", "-c", known + real],
            cwd=self.root,
            env=os.environ | self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    def _stay(self, command: str, shown: str) -> Step:
        log, wanted = Log(), shown.splitlines()
        assert wanted, f"nothing is shown to wait for: {command}"

        def window() -> str | None:
            lines = log.lines(command)
            for at in range(len(lines) - len(wanted) + 1):
                printed = "\n".join(lines[at : at + len(wanted)])
                if difference(shown, printed, self.bindings) is None:
                    return printed
            return None

        service = Service(
            command,
            self._real(command),
            ready=lambda _service: window() is not None,
            log=log,
            cwd=self.root,
            env=self.env | self._addresses(command),
        )
        self.staying.append(service)
        service.launch()
        service.wait()
        return Step(command, shown, window() or "")

    def _interrupt(self, shown: str) -> Step:
        service = self.staying.pop()
        service.halt()
        service.close()
        wanted = len(shown.splitlines())
        printed = "\n".join(service.log.lines(service.name)[-wanted:])
        wrong = difference(shown, printed, self.bindings)
        assert not wrong, f"^C\n{wrong}"
        return Step("^C", shown, printed)

    def _addresses(self, command: str) -> dict[str, str]:
        """Return what a chapter started by hand needs, since our ports are not the usual ones."""
        if command.startswith("make"):
            return {}
        redis = f"redis://127.0.0.1:{self.ports['6379']}"
        return {
            "CELERY_BROKER_URL": f"{redis}/0",
            "CELERY_RESULT_BACKEND": f"{redis}/1",
            "LAB_DIR": str(self.lab),
        }

    def _real(self, command: str) -> str:
        return self.bindings.translate(command)
