"""One process: start it, wait until it is ready, stop it as Ctrl-C would, kill it."""

import atexit
import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mirakuru.base
import psutil
from mirakuru.base_env import processes_with_env
from mirakuru.exceptions import ProcessFinishedWithError, TimeoutExpired

from workbench import guard
from workbench.errors import ProcessDiedError
from workbench.log import Log
from xray.signals import postponed_signals

# At exit mirakuru kills each process whose mark contains our pid, even inside a longer number:
# that may be another run's. Whoever starts a Service stops it.
atexit.unregister(mirakuru.base.cleanup_subprocesses)

STARTS_WITHIN = 40  # seconds
STOPS_WITHIN = 30  # seconds, to finish what it does; then it is killed

Probe = Callable[["Service"], bool]


class Service(mirakuru.base.SimpleExecutor):
    """A process with a name, a probe that tells when it is ready, and a log."""

    def __init__(
        self,
        name: str,
        command: str,
        *,
        ready: Probe,
        log: Log,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        stop_signal: int = signal.SIGINT,
    ) -> None:
        self.name = name
        self.env = dict(env or {})
        self.cwd = cwd
        self.log = log
        self.wanted = False  # so that an unexpected end can be told from one that was asked for
        self._ready = ready
        reader, self._writer = os.pipe()
        super().__init__(
            command,
            cwd=str(cwd),
            shell=True,
            envvars=self.env,
            stop_signal=stop_signal,
            stdin=subprocess.DEVNULL,
            stdout=self._writer,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._listen, args=[reader], daemon=True).start()

    @property
    def pid(self) -> int | None:
        """Return the process id, None while it isn't running."""
        return self.process.pid if self.process else None

    def process_tree(self) -> list[psutil.Process]:
        """Return all that this process has started and that still runs, itself included."""
        found = set()
        # Those that left the processes carry our mark; Redis doesn't, it writes its title over it.
        for pid in {self.pid, *processes_with_env(mirakuru.base.ENV_UUID, self._uuid)} - {None}:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                found |= {process, *process.children(recursive=True)}
        return list(found)

    def launch(self) -> None:
        """Start the process, and don't wait for it."""
        self.wanted = True
        self._timeout = STARTS_WITHIN
        with postponed_signals():  # between starting a process and taking note of it
            guard.announce(self._uuid)
            super().start()
            assert self.pid
            guard.watch(self.pid, self._stop_signal, self._uuid)

    def wait(self) -> None:
        """Wait until the probe says ready. Raise ProcessDiedError if that doesn't happen."""
        try:
            self.wait_for(self._check)
        except TimeoutExpired:
            raise self._died(f"was not ready after {STARTS_WITHIN} s") from None

    def halt(self, seconds: float = STOPS_WITHIN) -> None:
        """Stop the process as Ctrl-C in its terminal would; kill it if that takes too long."""
        self.wanted = False
        self._timeout = seconds
        deadline = time.monotonic() + seconds
        processes = self.process_tree()
        with contextlib.suppress(ProcessFinishedWithError):  # its exit status is of no interest
            self.stop()
        # A start script ends before its server does.
        guard.kill(guard.wait_for_the_end(processes, deadline - time.monotonic()))

    def kill_tree(self) -> None:
        """Kill the process and its children, and wait until they are gone: kill -9."""
        self.wanted = False
        processes = self.process_tree()
        self.kill()
        guard.kill(processes)
        guard.wait_for_the_end(processes, STOPS_WITHIN)  # a dying worker may still take a message

    def by_hand(self) -> str:
        """Return what a person would type to start it."""
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in self.env.items())
        return f"{variables} {self.command}".strip()

    def close(self, seconds: float = STOPS_WITHIN) -> None:
        """Stop the process for good."""
        self.halt(seconds)
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    def ended(self) -> int | None:
        """Return the exit status, once, if the process has ended without being asked to."""
        if not self.wanted or self.process is None or self.process.poll() is None:
            return None
        status = self.process.returncode
        self.kill_tree()  # what it may have left behind
        return status

    def check_alive(self) -> None:
        """Raise ProcessDiedError if the process has ended."""
        if self.process is not None and self.process.poll() is not None:
            raise self._died(f"ended with exit status {self.process.returncode}")

    def _check(self) -> bool:
        self.check_alive()
        return self._ready(self)

    @property
    def _popen_kwargs(self) -> dict[str, Any]:
        kwargs = super()._popen_kwargs
        del kwargs["preexec_fn"]  # code between fork and exec isn't safe while other threads run
        return kwargs | {"start_new_session": True}

    def _died(self, what: str) -> ProcessDiedError:
        if self.process is not None:
            self.kill_tree()
        return ProcessDiedError(self.name, what, self.log.lines(self.name)[-12:])

    def _listen(self, reader: int) -> None:
        with os.fdopen(reader, errors="replace") as lines:
            for line in lines:
                self.log.add(self.name, line.rstrip("\n"))
