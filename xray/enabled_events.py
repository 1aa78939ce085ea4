"""Notes of the workers whose events an X-ray has switched on, for the case that it is killed."""

import json
import os
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import psutil


class EnabledEvents:
    """Workers that this X-ray has had tell of their tasks, or one that was killed.

    Each X-ray has a file of its own, in a folder for temporary files that is this user's alone.
    """

    def __init__(self, broker: str) -> None:
        self._folder = Path(tempfile.gettempdir(), f"celery-xray-{os.getuid()}")
        self._broker = sha256(broker.encode()).hexdigest()[:16]
        self._mine = self._folder / f"{self._broker}-{os.getpid()}.json"

    def left_by_the_killed(self) -> dict[str, int]:
        """Return the workers of X-rays that are gone, each with its main process."""
        found: dict[str, int] = {}
        for note in self._notes_of_the_killed().values():
            found |= note
        return found

    def write(self, workers: dict[str, int]) -> None:
        """Note these workers, or that there are none; those of X-rays that are gone are ours."""
        me = psutil.Process()
        with suppress(OSError):  # without a note, it works as well
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if not self._is_ours():
                return
            if workers:
                note = {"xray": me.pid, "since": me.create_time(), "workers": workers}
                self._mine.write_text(json.dumps(note))
            else:
                self._mine.unlink(missing_ok=True)
            for path in self._notes_of_the_killed():
                path.unlink(missing_ok=True)

    def _notes_of_the_killed(self) -> dict[Path, dict[str, int]]:
        """Return the notes of X-rays that are gone: by file, the workers."""
        found = {}
        for path in self._folder.glob(f"{self._broker}-*.json") if self._is_ours() else ():
            with suppress(OSError, ValueError, KeyError, TypeError):
                note = json.loads(path.read_text())
                if path != self._mine and not is_running(note["xray"], note["since"]):
                    found[path] = note["workers"]
        return found

    def _is_ours(self) -> bool:
        """Tell whether the folder is this user's own: anybody may write beside it."""
        if self._folder.is_symlink() or not self._folder.is_dir():
            return False
        return self._folder.stat().st_uid == os.getuid()


def is_running(pid: int, since: float) -> bool:
    """Tell whether a process runs, and isn't another one with the same number."""
    try:
        return abs(psutil.Process(pid).create_time() - since) < 1
    except psutil.Error:
        return False
