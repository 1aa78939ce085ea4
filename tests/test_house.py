"""The house rules that a machine can check."""

import ast
import os
import re
import subprocess
import sys
import tomllib
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


@pytest.mark.slow  # in a fresh clone mypy knows nothing yet: all types together take a minute
@pytest.mark.timeout(300)
def test_types_hold() -> None:
    ours = ["workbench", "xray", "tools", "measurements", "tests", "conftest.py"]
    assert run("mypy", *ours, "--exclude", r"tests/chapters/\d") == ""


@pytest.mark.slow
@each_chapter
def test_types_hold_in_a_chapter(found: chapter.Chapter) -> None:
    """Check a chapter by itself, as its modules import each other."""
    assert run("mypy", "--config-file", str(ROOT / "pyproject.toml"), ".", cwd=found.path) == ""
    tests = f"tests/chapters/{found.name}"
    assert run("mypy", tests, "--exclude", "/exercises/", mypy_path=found.path) == ""


@pytest.mark.slow
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


def test_the_xray_imports_nothing_of_the_rest() -> None:
    for path in ROOT.glob("xray/*.py"):
        assert not imports(path) & {"workbench", "tests", "tools", "measurements"}, path


@each_chapter
def test_a_chapter_imports_no_workbench_and_no_other_chapter(found: chapter.Chapter) -> None:
    for path in found.path.rglob("*.py"):
        if "checks" not in path.parts:  # an exercise's check runs in the workbench
            assert not imports(path) & {"workbench", "xray", "tests", "chapters"}, path


# --- what a learner reads -------------------------------------------------------------------------

STATEMENTS = {"01": 80, "02": 250}  # at most; a later chapter has the last line's
STATEMENTS_LATER = 400


def statements(code: ast.Module) -> int:
    """Count the statements of some code, without its docstrings."""
    texts = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    count = sum(isinstance(node, ast.stmt) for node in ast.walk(code))
    documented = (node for node in ast.walk(code) if isinstance(node, texts))
    return count - sum(ast.get_docstring(node) is not None for node in documented)


@each_chapter
def test_a_chapter_is_small(found: chapter.Chapter) -> None:
    """Count all that a reader runs; chores and exercises are apart."""
    read = [
        path
        for path in found.path.rglob("*.py")
        if not {"support", "exercises", "var"} & set(path.relative_to(found.path).parts)
    ]
    counts = {path.name: statements(ast.parse(path.read_text())) for path in read}
    assert sum(counts.values()) <= STATEMENTS.get(found.name[:2], STATEMENTS_LATER), counts


def test_functions_in_chapters_are_short_and_plain() -> None:
    """Ruff counts; here it is made sure that nobody has told it to count on."""
    rules = tomllib.loads((ROOT / "chapters/ruff.toml").read_text())
    assert rules["extend"] == "../pyproject.toml"
    assert rules["line-length"] == 88
    assert {"C901", "PLR0915"} <= set(rules["lint"]["extend-select"])
    assert rules["lint"]["mccabe"]["max-complexity"] == 6
    assert rules["lint"]["pylint"]["max-statements"] == 15
    assert not {"ignore", "extend-ignore"} & rules["lint"].keys()
    relieved = [
        files
        for files, ignored in rules["lint"].get("per-file-ignores", {}).items()
        if {"C901", "PLR0915"} & set(ignored)
    ]
    assert relieved == ["**/checks/*"], "checks of exercises aren't read, all else is"
    for path in ROOT.glob("chapters/*/**/*.py"):
        assert not re.search(r"noqa.*(C901|PLR0915)", path.read_text()), path


# Files at a chapter's top, or in its support/, of which copies differ; and why.
DIFFER = {"make_celery.py": "it names this chapter's app, for Celery's command line"}


def test_copies_of_a_chore_are_identical() -> None:
    """A chore is what is at a chapter's top or in its support/, by the same name in several."""
    chores: dict[str, set[str]] = {}
    for found in CHAPTERS:
        for path in (*found.path.glob("*.py"), *found.path.glob("support/*.py")):
            name = str(path.relative_to(found.path))
            chores.setdefault(name, set()).add(path.read_text())
    differ = {name for name, texts in chores.items() if len(texts) > 1}
    assert differ == set(DIFFER)


# --- words, and who knows what --------------------------------------------------------------------

# Names that we once had, in place of the field's own. A word that is English as well isn't here.
OLD_NAMES = (
    r"Bench|Trouble|Died|murder|own_keys|OWN_KEYS|in_step|is_a_503|nothing_sticks_out|RUBBISH|"
    r"darkroom|mailroom|shelf|take_back|nightly"
)


def tracked(*names: str) -> list[Path]:
    """Return our files by these names, such as '*.py'."""
    words = ["git", "ls-files", "-co", "--exclude-standard", *names]
    listed = subprocess.check_output(words, cwd=ROOT, text=True).splitlines()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def test_no_old_name_is_left() -> None:
    for path in tracked("*.py", "*.ipynb", "*.js", "*.html", "*.j2", "Makefile", "Procfile"):
        if path != Path(__file__) and "vendor" not in path.parts:
            found = re.search(rf"\b({OLD_NAMES})\b", path.read_text())
            assert found is None, f"{path}: {found}"


def test_only_a_chapters_own_tests_name_it() -> None:
    """What serves all chapters knows neither how many there are nor what is in one."""
    names = "|".join(found.name for found in CHAPTERS)
    for path in tracked("workbench", "xray", "tests/*.py", "Makefile", "conftest.py"):
        own = any(found.name in path.parts for found in CHAPTERS)
        if not own and path.suffix in ("", ".py"):
            found = re.search(names, path.read_text())
            assert found is None, f"{path}: {found}"


# --- the environment ------------------------------------------------------------------------------


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
            computed = path.parent.name == "notebooks"
            fixed = [call for call in sleeps(path) if not computed or is_constant(call)]
            assert fixed == [], f"{path} sleeps"


def is_constant(call: ast.Call) -> bool:
    """Tell whether a call has nothing but constants for its arguments."""
    return all(isinstance(argument, ast.Constant) for argument in call.args)


@pytest.mark.slow
def test_the_sample_photos_come_from_their_script(tmp_path: Path) -> None:
    """Draw them again: the same pixels, give or take what another Pillow or numpy may change."""
    from PIL import Image, ImageChops, ImageStat

    assert run("tools", "samples", str(tmp_path)) == ""
    assert len(list(tmp_path.iterdir())) == 6
    for drawn in tmp_path.iterdir():
        copies = list(ROOT.glob(f"chapters/**/static/samples/{drawn.name}"))
        assert copies
        for kept in copies:
            with Image.open(kept) as one, Image.open(drawn) as other:
                difference = ImageStat.Stat(ImageChops.difference(one, other)).mean
            assert max(difference) < 2, kept
