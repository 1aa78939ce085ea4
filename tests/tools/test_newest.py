"""`make newest`: the suite with the newest versions, and what the README says of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import newest
from workbench.chapter import ROOT


def test_the_readme_says_what_the_file_says() -> None:
    assert newest.sentence() in newest.README.read_text().splitlines()


def test_the_file_holds_the_versions_of_a_whole_lock() -> None:
    seen = json.loads(newest.SEEN.read_text())["versions"]
    assert set(newest.NAMED) <= seen.keys()
    assert len(seen) > 100


def test_it_tells_what_has_changed() -> None:
    before = {"celery": "5.6.0", "flask": "3.1.3", "gone": "1"}
    now = {"celery": "5.7.0", "flask": "3.1.3", "new": "2"}
    assert newest.changes(before, now) == [
        "celery 5.6.0 -> 5.7.0",
        "gone 1 -> (gone)",
        "new (new) -> 2",
    ]


def test_only_the_sentence_changes_in_the_readme() -> None:
    page = "# A\n\nLast seen working on 2026-01-01: celery 5.\n\nB\n"
    assert newest.in_words(page, "Last seen working now.") == "# A\n\nLast seen working now.\n\nB\n"


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_it_runs_tests_in_a_clone_with_an_environment_of_its_own(tmp_path: Path) -> None:
    """With another test in the clone's history: one that fails is named."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    (clone / "tests/test_broken.py").write_text("def test_of_ours() -> None:\n    assert 0\n")
    lock = (clone / "requirements.txt").read_text()
    (clone / "requirements.txt").write_text(lock.replace("\nclick==", "\nclick==8.2.1 # not "))
    author = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    for words in (["add", "."], [*author, "commit", "-qm", "A test"]):
        subprocess.run(["git", *words], cwd=clone, check=True)
    env = {"WORKBENCH_ROOT": str(clone), "WORKBENCH_VAR": str(tmp_path / "var")}
    done = subprocess.run(
        [sys.executable, "-m", "tools", "newest", "tests/test_broken.py"],
        cwd=clone,
        env=os.environ | env | {"PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "\nclick 8.2.1 -> " in done.stdout
    assert done.stdout.endswith("Broken:\ntests.test_broken::test_of_ours\n")
    assert (tmp_path / "var/newest/.venv/bin/python").exists()
    words = ["git", "status", "--porcelain"]
    assert subprocess.check_output(words, cwd=clone, text=True) == "", "nothing is written down"
