"""A newcomer: an empty folder, a clone, one command."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.make_command import make, page_of
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
    words = [f"PORT={port}", f"PYTHON={python_of_this_environment()}"]
    for attempt in ("first", "second"):
        started = time.monotonic()
        with make("run", *words, cwd=clone, env=env) as made:
            address = page_of(made)
            print(f"the {attempt} time it took {time.monotonic() - started:.1f} s")
            assert httpx.get(address).status_code == 200
            stopped = time.monotonic()
        assert time.monotonic() - stopped < 5
    assert time.monotonic() - started < 20, "the second time takes a few seconds"
    words = ["git", "status", "--porcelain", "--ignored"]
    left = subprocess.check_output(words, cwd=clone, text=True).splitlines()
    assert left == ["!! .venv/", "!! var/"], "it writes nowhere else"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a clone", "home"]
