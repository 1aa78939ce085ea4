"""Write the locks: requirements.txt, and the part of it that `make run` needs."""

import subprocess
import sys
from pathlib import Path

from workbench.errors import UserError

ALL, RUN = "requirements.txt", "requirements-run.txt"
THE_REST = "# --- all"  # in requirements.in, what follows is for tests and notebooks only
COMPILE = ["--quiet", "--universal", "--python-version=3.11", "--custom-compile-command=make lock"]


def write(repository: Path, *, upgrade: bool = False) -> None:
    """Write both locks of a repository from its requirements.in; keep versions, or upgrade."""
    chosen = (repository / "requirements.in").read_text()
    newest = ["--upgrade"] if upgrade else []
    compile_(repository, ["requirements.in", *newest, "-o", ALL])
    compile_(repository, ["-", *newest, "-c", ALL, "-o", RUN], chosen.partition(THE_REST)[0])


def compile_(repository: Path, words: list[str], given: str = "") -> None:
    """Have uv resolve what is asked for, for all systems at once."""
    uv = [str(Path(sys.executable).parent / "uv"), "pip", "compile", *COMPILE]
    for certificates in (
        [],
        ["--system-certs"],
    ):  # the second for who is behind a proxy with its own
        done = subprocess.run(
            [*uv, *certificates, *words],
            cwd=repository,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return
    raise UserError(f"No lock could be written: {done.stderr.strip()}")
