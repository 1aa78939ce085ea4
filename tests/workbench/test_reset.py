"""`make reset`: a chapter's files as they were, and nothing lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import chapter

SOURCE = chapter.chapters()[0]
CHANGED, DELETED, *_ = sorted(SOURCE.path.glob("*.py"))
GIT = ["git", "-c", "user.name=a learner", "-c", "user.email=learner@localhost"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a repository with one chapter, in a folder of its own."""
    root = tmp_path / "a clone"
    ignored = shutil.ignore_patterns("var", "static", "exercises")
    shutil.copytree(SOURCE.path, root / "chapters" / SOURCE.name, ignore=ignored)
    (root / ".gitignore").write_text("var/\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "As it was"]):
        subprocess.run([*GIT, *words], cwd=root, check=True)
    return root


def reset(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m workbench reset`."""
    env = {"WORKBENCH_ROOT": str(root), "WORKBENCH_VAR": str(root / "var")}
    return subprocess.run(
        [sys.executable, "-m", "workbench", "reset", *words],
        cwd=chapter.ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_files_are_as_they_were_and_what_was_there_is_kept(clone: Path) -> None:
    folder = clone / "chapters" / SOURCE.name
    was = (folder / CHANGED.name).read_text()
    (folder / CHANGED.name).write_text("broken")
    (folder / DELETED.name).unlink()
    (folder / "mine.py").write_text("an idea")
    (clone / "elsewhere.txt").write_text("not the chapter's")
    done = reset(clone, SOURCE.name)
    assert done.returncode == 0, done.stderr
    assert (folder / CHANGED.name).read_text() == was
    assert (folder / DELETED.name).exists()
    assert not (folder / "mine.py").exists()
    assert (clone / "elsewhere.txt").exists()
    (kept,) = (clone / "var/kept").iterdir()
    assert done.stdout.endswith(f"What you had is in {kept}\n")
    assert (kept / SOURCE.name / CHANGED.name).read_text() == "broken"
    assert (kept / SOURCE.name / "mine.py").read_text() == "an idea"
    assert not (kept / SOURCE.name / DELETED.name).exists()
    again = reset(clone, SOURCE.name)
    assert again.stdout.endswith("there was nothing to restore.\n")
    assert list((clone / "var/kept").iterdir()) == [kept]


@pytest.mark.slow
def test_what_was_staged_goes_too(clone: Path) -> None:
    (clone / "chapters" / SOURCE.name / "mine.py").write_text("an idea")
    subprocess.run(["git", "add", "."], cwd=clone, check=True)
    reset(clone, SOURCE.name)
    status = subprocess.check_output(["git", "status", "--porcelain"], cwd=clone, text=True)
    assert status == ""
    assert len(list((clone / "var/kept").glob("*/*/mine.py"))) == 1


@pytest.mark.slow
def test_what_the_lab_has_stored_is_kept_elsewhere(clone: Path) -> None:
    stored = [clone / "var" / SOURCE.name / "8000/lab", clone / "chapters" / SOURCE.name / "var"]
    for number, folder in enumerate(stored):
        folder.mkdir(parents=True)
        (folder / "photo.txt").write_text(str(number))
    assert reset(clone, SOURCE.name).returncode == 0
    assert not any(folder.exists() for folder in stored)
    found = (clone / "var/kept").rglob("photo.txt")
    assert sorted(path.read_text() for path in found) == ["0", "1"]


@pytest.mark.slow
def test_a_chapter_that_runs_is_left_alone(clone: Path) -> None:
    address = {"pid": os.getpid(), "chapter": SOURCE.name, "url": "", "env": {}, "port": 1}
    (clone / "var/runs").mkdir(parents=True)
    (clone / "var/runs/1.json").write_text(json.dumps(address | {"key": ""}))
    (clone / "chapters" / SOURCE.name / CHANGED.name).write_text("broken")
    done = reset(clone, SOURCE.name)
    assert done.returncode == 2
    assert done.stderr == (
        f"{SOURCE.name} is running: stop it with Ctrl-C in its terminal, then again.\n"
    )
    assert (clone / "chapters" / SOURCE.name / CHANGED.name).read_text() == "broken"


@pytest.mark.slow
def test_without_a_clone_nothing_is_touched(clone: Path) -> None:
    shutil.rmtree(clone / ".git")
    (clone / "chapters" / SOURCE.name / CHANGED.name).write_text("broken")
    done = reset(clone, SOURCE.name)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "git" in done.stderr
    assert (clone / "chapters" / SOURCE.name / CHANGED.name).read_text() == "broken"


@pytest.mark.slow
def test_make_wants_to_hear_which_chapter() -> None:
    done = subprocess.run(
        ["make", "reset"], cwd=chapter.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Say which chapter, as in: make reset CHAPTER=02\n")


@pytest.mark.slow
def test_make_clean_spares_what_is_kept(tmp_path: Path) -> None:
    shutil.copy(chapter.ROOT / "Makefile", tmp_path)
    for name in ("var/kept/mine.py", "var/runs/1.json", "chapters/01_ours/var/photo.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["Makefile", "mine.py"]
