"""The second terminal: tell a run to stop, start or kill one of its processes."""

import json
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psutil

from workbench.trouble import Trouble

if TYPE_CHECKING:  # a second terminal that says "stop" needn't wait until Celery is imported
    from workbench.bench import Bench

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


class Control:
    """Carries out the commands of a second terminal, one at a time."""

    def __init__(self, bench: "Bench", folder: Path) -> None:
        self.bench = bench
        key = secrets.token_hex(16)
        self._listener = Listener(("127.0.0.1", 0), authkey=key.encode())
        port = self._listener.address[1]
        address = Address(os.getpid(), bench.chapter.name, bench.url, bench.env, int(port), key)
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{os.getpid()}.json"
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps(asdict(address)))
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._file.unlink(missing_ok=True)
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                with self._listener.accept() as connection:
                    connection.send(self._carry_out(*connection.recv()))
            except OSError:
                if not self._file.exists():
                    return  # closed
            except Exception as error:  # a client without the key, or gone: the next may be ours
                self.bench.log.add("workbench", f"refused a command: {error!r}")

    def _carry_out(self, verb: str, name: str) -> tuple[bool, str]:
        verbs: dict[str, Callable[[str], None]] = {
            "stop": self.bench.stop,
            "start": self.bench.start,
            "kill": self.bench.kill,
        }
        try:
            verbs[verb](name)
        except click.ClickException as error:
            return False, error.format_message()
        self.bench.log.add(name, f"-- {DONE[verb]} --")
        return True, f"{name} {DONE[verb]}"


def tell(folder: Path, chapter: str | None, verb: str, name: str) -> str:
    """Have the run carry out a command, and return what it says. Raise Trouble if it can't."""
    address = find(folder, chapter)
    try:
        with Client(("127.0.0.1", address.port), authkey=address.key.encode()) as connection:
            connection.send((verb, name))
            done, said = connection.recv()
    except (OSError, EOFError) as error:
        raise Trouble(f"The run at {address.url} doesn't answer: stop it with Ctrl-C.") from error
    if not done:
        raise Trouble(said)
    return str(said)


def find(folder: Path, chapter: str | None) -> Address:
    """Return the address of the run, which must be the only one unless a chapter is named."""
    found = [address for address in runs(folder) if address.chapter.startswith(chapter or "")]
    if not found:
        raise Trouble("Nothing is running: start a chapter in another terminal, with 'make run'.")
    if len(found) > 1:
        where = ", ".join(f"{address.chapter} at {address.url}" for address in found)
        raise Trouble(f"Several runs are going on ({where}): name one, with --chapter.")
    return found[0]


def runs(folder: Path) -> list[Address]:
    """Return the runs that are alive."""
    found = [Address(**json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]
    return [address for address in found if psutil.pid_exists(address.pid)]
