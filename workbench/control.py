"""The second terminal: tell a run to stop, start or kill one of its processes."""

import json
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import (
    Client,
    Connection,
    Listener,
    answer_challenge,
    deliver_challenge,
)
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import psutil

from workbench.errors import UserError

if TYPE_CHECKING:  # a second terminal that says "stop" needn't wait until Celery is imported
    from workbench.chapter_run import ChapterRun

ANSWERS_WITHIN = 60  # seconds: a worker that is stopped may finish its work
DONE = {"stop": "stopped", "start": "started", "kill": "killed"}


@dataclass(frozen=True)
class Address:
    """Where a run listens for commands, written to a file that only its owner can read."""

    pid: int
    chapter: str
    url: str
    env: dict[str, str]
    port: int
    key: str
    xray: str = ""  # its X-ray's address, if it has one
    servers: list[str] = field(default_factory=list)  # that it has started, such as its broker


class Control:
    """Carries out the commands of a second terminal, one at a time."""

    def __init__(self, chapter_run: "ChapterRun", folder: Path, xray: str | None = None) -> None:
        self.chapter_run = chapter_run
        key = secrets.token_hex(16)
        self._key = key.encode()
        self._listener = Listener(("127.0.0.1", 0))
        address = Address(
            pid=os.getpid(),
            chapter=chapter_run.chapter.name,
            url=chapter_run.url,
            env=chapter_run.env,
            port=int(self._listener.address[1]),
            key=key,
            servers=chapter_run.servers,
            xray=xray or "",
        )
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{os.getpid()}.json"
        half = self._file.with_suffix(".part")
        half.touch(mode=0o600)
        half.write_text(json.dumps(asdict(address)))
        half.replace(self._file)  # nobody reads half of it
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._file.unlink(missing_ok=True)
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: "Connection[Any, Any]") -> None:
        """Carry out one command, of somebody who has the key."""
        try:
            with connection:
                deliver_challenge(connection, self._key)
                answer_challenge(connection, self._key)
                connection.send(self._carry_out(*connection.recv()))
        except (AuthenticationError, OSError, EOFError) as error:
            self.chapter_run.log.add("workbench", f"refused a command: {error!r}")

    def _carry_out(self, verb: str, name: str) -> tuple[bool, str]:
        verbs: dict[str, Callable[[str], None]] = {
            "stop": self.chapter_run.stop,
            "start": self.chapter_run.start,
            "kill": self.chapter_run.kill,
        }
        if verb == "start" and self._runs(name):
            self.chapter_run.log.add(name, "-- was running already --")
            return True, f"{name} is running already: there was nothing to start"
        try:
            verbs[verb](name)
        except click.ClickException as error:
            return False, error.format_message()
        self.chapter_run.log.add(name, f"-- {DONE[verb]} --")
        return True, f"{name} {DONE[verb]}"

    def _runs(self, name: str) -> bool:
        service = self.chapter_run.services.get(name)
        return service is not None and service.running()


def tell(folder: Path, port: str | None, verb: str, name: str) -> str:
    """Have the run carry out a command, and return what it says. Raise UserError if it can't."""
    address = find(folder, port)
    try:
        with Client(("127.0.0.1", address.port), authkey=address.key.encode()) as connection:
            connection.send((verb, name))
            if not connection.poll(ANSWERS_WITHIN):
                raise TimeoutError
            done, said = connection.recv()
    except (OSError, EOFError) as error:
        raise UserError(f"The run at {address.url} doesn't answer: stop it with Ctrl-C.") from error
    if not done:
        raise UserError(said)
    return str(said)


def find(folder: Path, port: str | None) -> Address:
    """Return the address of the run, which must be the only one unless its port is named."""
    found = [address for address in runs(folder) if port in (None, address.env["PORT"])]
    if not found:
        raise UserError("Nothing is running: start a chapter in another terminal, with 'make run'.")
    if len(found) > 1:
        where = ", ".join(f"{address.chapter} at {address.url}" for address in found)
        raise UserError(f"Several runs are going on ({where}): name one by its page's --port.")
    return found[0]


def runs(folder: Path) -> list[Address]:
    """Return the runs that are alive."""
    found = [Address(**json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]
    return [address for address in found if psutil.pid_exists(address.pid)]
