"""A newcomer: an empty folder, a clone, one command."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from workbench.probes import free_port

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def python_of_this_environment() -> str:
    """Return the Python that our own environment was made with."""
    return str(Path(sys.base_prefix) / "bin/python3")


def test_one_command_from_a_clone_to_a_page(tmp_path: Path) -> None:
    clone = tmp_path / "a clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    port = free_port()
    home = tmp_path / "home"
    home.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    env |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    command = ["make", "run", f"PORT={port}", f"PYTHON={python_of_this_environment()}"]
    for attempt in ("first", "second"):
        started = time.monotonic()
        with subprocess.Popen(
            command,
            cwd=clone,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as make:
            assert make.stdout
            said = []
            for line in make.stdout:
                said.append(line)
                if line.startswith("Ready"):
                    break
            else:
                raise AssertionError("".join(said))
            print(f"the {attempt} time it took {time.monotonic() - started:.1f} s")
            assert httpx.get(said[-1].split()[-1]).status_code == 200
            stopped = time.monotonic()
            os.killpg(make.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
            make.communicate(timeout=30)
            assert time.monotonic() - stopped < 5
    assert time.monotonic() - started < 20, "the second time takes a few seconds"
    words = ["git", "status", "--porcelain", "--ignored"]
    left = subprocess.check_output(words, cwd=clone, text=True).splitlines()
    assert left == ["!! .venv/", "!! var/"], "it writes nowhere else"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a clone", "home"]
