"""The house rules that a machine can check."""

import ast
import filecmp
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from workbench import chapter

ROOT = Path(__file__).parents[1]
CHAPTERS = chapter.chapters()
each_chapter = pytest.mark.parametrize("found", CHAPTERS, ids=lambda found: found.name)


def run(*words: str, cwd: Path = ROOT, mypy_path: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=cwd,
        env=os.environ
        | {"MYPYPATH": f"{ROOT}:{mypy_path}", "MYPY_CACHE_DIR": str(ROOT / "var/mypy")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode else ""


def test_ruff_finds_nothing() -> None:
    assert run("ruff", "check", "--quiet") == ""


def test_everything_is_formatted() -> None:
    assert run("ruff", "format", "--check", "--quiet") == ""


def test_types_hold() -> None:
    ours = ["workbench", "xray", "tools", "measurements", "tests", "conftest.py"]
    assert run("mypy", *ours, "--exclude", r"tests/chapters/\d") == ""


@each_chapter
def test_types_hold_in_a_chapter(found: chapter.Chapter) -> None:
    """Check a chapter by itself, as its modules import each other."""
    assert run("mypy", "--config-file", str(ROOT / "pyproject.toml"), ".", cwd=found.path) == ""
    tests = f"tests/chapters/{found.name}"
    assert run("mypy", tests, "--exclude", "/exercises/", mypy_path=found.path) == ""


@each_chapter
def test_types_hold_in_a_chapters_notebook(found: chapter.Chapter) -> None:
    """Check its source as it runs: beside what notebooks share, where the chapter's modules are."""
    both = Path(f"{ROOT / 'notebooks'}:{found.path}")
    assert run("mypy", f"notebooks/{found.name}.py", mypy_path=both) == ""


def imports(path: Path) -> set[str]:
    """Return the names of all that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


@each_chapter
def test_a_chapter_imports_no_workbench_and_no_other_chapter(found: chapter.Chapter) -> None:
    for path in found.path.rglob("*.py"):
        if "checks" not in path.parts:  # an exercise's check runs in the workbench
            assert not imports(path) & {"workbench", "tests", "chapters"}, path


@each_chapter
def test_a_chapter_is_small(found: chapter.Chapter) -> None:
    quoted = set(re.findall(r"^```python\n# (\S+)$", (found.path / "README.md").read_text(), re.M))
    lengths = {name: len((found.path / name).read_text().splitlines()) for name in quoted}
    assert lengths, "the lesson quotes something"
    assert max(lengths.values()) <= 80, lengths
    chores = sum(len(path.read_text().splitlines()) for path in found.path.glob("support/*.py"))
    assert chores <= 200


def test_copies_of_a_chore_are_identical() -> None:
    chores: dict[str, list[Path]] = {}
    for path in ROOT.glob("chapters/*/support/*.py"):
        chores.setdefault(path.name, []).append(path)
    for copies in chores.values():
        for one, other in itertools.pairwise(copies):
            assert filecmp.cmp(one, other, shallow=False), f"{one} and {other} differ"


def locked(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    found = [line.partition(";")[0].strip().split("==") for line in lines if "==" in line[:60]]
    return {line[0].partition("[")[0]: line[1] for line in found if len(line) == 2}


def test_the_run_lock_is_a_part_of_the_other() -> None:
    assert locked("requirements-run.txt").items() <= locked("requirements.txt").items()


def test_the_locks_name_no_index() -> None:
    for name in ("requirements.txt", "requirements-run.txt"):
        assert "://" not in (ROOT / name).read_text()


def test_each_choice_has_a_reason_and_is_locked() -> None:
    for line in (ROOT / "requirements.in").read_text().splitlines():
        if line and not line.startswith("#"):
            wanted, _, reason = line.partition("  #")
            assert len(reason) > 10, f"no reason for {wanted}"
            assert Requirement(wanted.strip()).name in locked("requirements.txt")


@each_chapter
def test_a_chapters_requirements_are_what_we_test_with(found: chapter.Chapter) -> None:
    for line in (found.path / "requirements.txt").read_text().splitlines():
        wanted = Requirement(line)
        assert locked("requirements-run.txt")[wanted.name] in wanted.specifier, line


def sleeps(path: Path) -> list[ast.Call]:
    """Return the calls, in a file, of a function by the name of sleep."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func).rpartition(".")[2] == "sleep"]


def test_nothing_waits_for_a_fixed_time() -> None:
    """A sleep may pace a loop that looks for something: tests have one, notebooks another.

    A notebook may send messages at a rate, which it computes. (The field guide's tests write
    projects, whose tasks may last; that is text to them.)
    """
    loops = {ROOT / "tests/support/waiting.py", ROOT / "notebooks/session.py"}
    for folder in ("tests", "chapters", "notebooks", "measurements"):
        for path in set((ROOT / folder).rglob("*.py")) - loops:
            computed = path.match("notebooks/[0-9]*.py")
            fixed = [call for call in sleeps(path) if not computed or is_constant(call)]
            assert fixed == [], f"{path} sleeps"


def is_constant(call: ast.Call) -> bool:
    """Tell whether a call has nothing but constants for its arguments."""
    return all(isinstance(argument, ast.Constant) for argument in call.args)


@pytest.mark.slow
def test_the_sample_photos_come_from_their_script(tmp_path: Path) -> None:
    """Draw them again: the same pixels, give or take what another Pillow or numpy may change."""
    from PIL import Image, ImageChops, ImageStat

    assert run("tools.sample_photos", str(tmp_path)) == ""
    assert len(list(tmp_path.iterdir())) == 6
    for drawn in tmp_path.iterdir():
        copies = list(ROOT.glob(f"chapters/**/static/samples/{drawn.name}"))
        assert copies
        for kept in copies:
            with Image.open(kept) as one, Image.open(drawn) as other:
                difference = ImageStat.Stat(ImageChops.difference(one, other)).mean
            assert max(difference) < 2, kept
