"""Fill a folder for a room without network: the repository, and the wheels it installs from."""

import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from packaging.requirements import Requirement

from workbench.chapter import ROOT
from workbench.errors import UserError

PYTHONS = ("3.11", "3.12", "3.13")

# What pip calls the systems that we support, and what a lock's markers ask of them.
# Wheels for older systems serve as well: https://peps.python.org/pep-0600/
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
MAC = {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"}
GLIBCS = range(28, 4, -1)
SYSTEMS = {
    "linux-x86_64": (
        [f"manylinux_2_{minor}_x86_64" for minor in GLIBCS]
        + ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"],
        LINUX | {"platform_machine": "x86_64"},
    ),
    "linux-arm64": (
        [f"manylinux_2_{minor}_aarch64" for minor in GLIBCS] + ["manylinux2014_aarch64"],
        LINUX | {"platform_machine": "aarch64"},
    ),
    # pip reads it as "this macOS or an older one".
    "macos-arm64": (["macosx_14_0_arm64"], MAC | {"platform_machine": "arm64"}),
}


def choose(words: str | None, among: Collection[str]) -> list[str]:
    """Return those that are named, or all. Raise UserError if one isn't among them."""
    wanted = (words or " ".join(among)).split()
    for word in wanted:
        if word not in among:
            raise UserError(f"'{word}' isn't supported: choose of {', '.join(among)}.")
    return wanted


def clone(folder: Path) -> bool:
    """Clone the repository's last commit into a folder; bring an earlier clone up to date.

    Tell whether there was anything uncommitted, which isn't in it.
    """
    if not (ROOT / ".git").exists():
        raise UserError(
            f"{ROOT} is no git clone: clone the repository, then make the folder there."
        )
    if (folder / ".git").exists():
        _git(folder, "fetch", "-q", str(ROOT), "HEAD")
        _git(folder, "reset", "-q", "--hard", "FETCH_HEAD")
    elif folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} isn't empty: choose another, as in: make offline FOLDER=stick")
    else:
        _git(ROOT, "clone", "-q", "--no-hardlinks", str(ROOT), str(folder))
        _git(folder, "remote", "remove", "origin")  # it won't be there
    return bool(_git(ROOT, "status", "--porcelain"))


def download(lock: Path, wheels: Path, python: str, system: str) -> None:
    """Download the wheels of a lock for one Python on one system; keep those that are there."""
    tags, facts = SYSTEMS[system]
    abi = f"cp{python.replace('.', '')}"
    words = [f"--platform={tag}" for tag in tags] + [
        f"--abi={name}" for name in (abi, "abi3", "none")
    ]
    words += ["--only-binary=:all:", "--implementation=cp"]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "download",
        "-q",
        "--no-deps",
    ]
    # The first and the last release of a Python may need different packages.
    releases = [f"{python}.{last}" for last in (0, 99)]
    sets = {tuple(pins_for(lock, release, facts)): release for release in releases}
    for pins, release in sets.items():
        words += [f"--dest={wheels}", f"--python-version={release}"]
        done = subprocess.run([*pip, *words, *pins], capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise UserError(f"Not all wheels for Python {python} on {system} could be had: {said}")


def pins_for(lock: Path, release: str, facts: dict[str, str]) -> Iterator[str]:
    """Return a lock's packages, with their versions, that a system with this Python needs.

    Pip would ask the markers of the machine it runs on: https://github.com/pypa/pip/issues/11664
    """
    facts = facts | {"python_version": release.rpartition(".")[0], "python_full_version": release}
    facts |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    for line in lock.read_text().splitlines():
        if line[:1].isalnum():
            wanted = Requirement(line)
            if not wanted.marker or wanted.marker.evaluate(facts):
                yield f"{wanted.name}{wanted.specifier}"


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"git {words[0]} failed: {done.stderr.strip()}")
    return done.stdout
