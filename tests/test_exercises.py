"""Each exercise of each chapter, and the command that checks them."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.support.waiting import wait_until
from workbench import chapter, exercises
from workbench.errors import UserError
from workbench.exercises import Attempt, Verdict

ROOT = chapter.ROOT
EXERCISES = {
    f"{found.name}/{path.stem}": path
    for found in chapter.chapters()
    for path in sorted(found.path.glob("exercises/[0-9]_*.py"))
}
CHAPTERS = sorted({path.parent.parent.name for path in EXERCISES.values()})
DEADLINE = 60  # seconds; generous, for three run at the same time

CHECK = '''
import importlib

def check(chapter_run, answer):
    """Ask for a two."""
    assert chapter_run.broker_url.startswith("redis://127.0.0.1:"), chapter_run.broker_url
    assert importlib.import_module(answer.stem).two() == 2, "two() returns 2."
'''
SLIPS = {  # what a learner may write, and what is said of it
    "def two() -> int:\n    return 2": None,
    "def two() -> int:\n    return 1": "two() returns 2.",
    "def two() -> int:\n    return 1 +": "SyntaxError: invalid syntax, in line 2 of {name}.py",
    "def two() -> int:\n    return 1 // 0": (
        "ZeroDivisionError: integer division or modulo by zero, in line 2 of {name}.py"
    ),
    "def two() -> int:\n    assert False, 'mine'": "AssertionError: mine, in line 2 of {name}.py",
}
LOOP = """
from threading import Event

def two() -> int:
    while True:
        Event().wait(0.01)
"""
STUBBORN = f"{LOOP}".replace(
    "Event().wait(0.01)",
    """
        try:
            Event().wait(0.01)
        except BaseException:
            pass
""",
)


class Ended(NamedTuple):
    status: int
    output: str


class Repository:
    """A copy of the workbench, with chapters of the test's choice."""

    def __init__(self, path: Path) -> None:
        self.path, self.var = path, path / "var"
        path.mkdir()
        for name in ("workbench", "xray"):
            shutil.copytree(ROOT / name, path / name)

    def copy_solved(self, name: str) -> None:
        folder = self.path / "chapters" / name
        shutil.copytree(ROOT / "chapters" / name, folder)
        shutil.copytree(folder / "exercises/solutions", folder / "exercises", dirs_exist_ok=True)

    def make_up(self, answers: list[str]) -> list[Path]:
        folder = self.path / "chapters/99_made_up"
        for part in ("checks", "hints"):
            (folder / "exercises" / part).mkdir(parents=True)
        (folder / "Procfile").touch()
        (folder / "requirements.txt").touch()
        paths = [folder / f"exercises/{number}_slip.py" for number in range(len(answers))]
        for path, answer in zip(paths, answers, strict=True):
            path.write_text(answer)
            (path.parent / "checks" / path.name).write_text(CHECK)
            (path.parent / f"hints/{path.stem}.md").write_text(f"Think of {path.stem}.")
        return paths

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        strange = {"CELERY_BROKER_URL": "redis://127.0.0.2:1/0", "WORKBENCH_VAR": str(self.var)}
        return subprocess.Popen(
            [sys.executable, "-B", "-m", "workbench", "check", *arguments],
            cwd=self.path,
            env=os.environ | strange,
            stdout=(self.path / "output").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
        )

    def output(self) -> str:
        return (self.path / "output").read_text()

    def check(self, *arguments: str) -> Ended:
        with self.start(*arguments) as process:
            status = process.wait(DEADLINE)
        assert not self.left(), "check leaves no process"
        assert not [*self.var.glob("*")], "check leaves no file"
        assert "Traceback" not in self.output()
        return Ended(status, self.output())

    def left(self) -> list[str]:
        """Return what still runs: all that a check starts inherits its variables."""
        found = []
        for process in psutil.process_iter():
            try:
                marked = process.environ().get("WORKBENCH_VAR") == str(self.var)
                if marked or process.cwd().startswith(str(self.var)):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found


Verdicts = dict[str, dict[str, Future[Verdict]]]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Ended]]]:
    """Check the exercises as they come; by chapter."""
    var = tmp_path_factory.mktemp("exercises") / "var"
    with ThreadPoolExecutor(1) as pool:  # each checks several at the same time
        yield {name: pool.submit(starts, name, var) for name in CHAPTERS}
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Ended]]]:
    """Check the solutions in their place; by chapter."""
    repositories = {name: Repository(tmp_path_factory.mktemp("solved") / name) for name in CHAPTERS}
    for name, repository in repositories.items():
        repository.copy_solved(name)
    with ThreadPoolExecutor(1) as pool:
        yield {
            name: pool.submit(repository.check, name) for name, repository in repositories.items()
        }
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdicts]:
    """Check all other answers, right and wrong; by exercise, by kind of answer."""
    tmp = tmp_path_factory.mktemp("answers")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(3) as pool:
        patch.setattr(chapter, "VAR", tmp / "var")
        yield {
            name: {
                kind: pool.submit(verdict, path, answer)
                for kind, answer in answers(path, tmp).items()
            }
            for name, path in EXERCISES.items()
        }
        pool.shutdown(cancel_futures=True)


def answers(exercise: Path, tmp: Path) -> dict[str, Path]:
    """Return the answers that the tests bring, by kind, under the name that they must have."""
    name = exercise.parent.parent.name
    found = {}
    for path in (ROOT / f"tests/chapters/{name}/exercises").glob(f"{exercise.stem}.*.py"):
        kind = path.name.split(".")[1]
        found[kind] = tmp / "answers" / name / kind / exercise.name
        found[kind].parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, found[kind])
    return found


def verdict(exercise: Path, answer: Path) -> Verdict:
    with Attempt(exercise, answer) as attempt:
        return attempt.verdict(DEADLINE)


def starts(name: str, var: Path) -> Ended:
    """Check the exercises of the repository itself."""
    ended = subprocess.run(
        [sys.executable, "-m", "workbench", "check", name],
        cwd=ROOT,
        env=os.environ | {"WORKBENCH_VAR": str(var)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert not ended.stderr
    return Ended(ended.returncode, ended.stdout)


def import_file(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.mark.slow
def test_each_slip_gets_one_clear_line(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    paths = repository.make_up(list(SLIPS))
    status, output = repository.check("99")
    assert status == 1
    lines = [
        f"✗ {path.stem}: {said.format(name=path.stem)}" if said else f"✓ {path.stem}"
        for path, said in zip(paths, SLIPS.values(), strict=True)
    ]
    assert output.splitlines()[1 : len(lines) + 1] == lines
    assert output.endswith(
        "\nNext: chapters/99_made_up/exercises/1_slip.py\ntwo() returns 2.\n\n"
        "Hint: Think of 1_slip.\n"
    )


def test_unknown_chapter_or_one_without_exercises_gets_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(tmp_path / "repository")
    repository.make_up([])
    assert repository.check("77") == (2, "There is no chapter '77': choose one of 99_made_up.\n")
    monkeypatch.setattr(chapter, "ROOT", repository.path)
    with pytest.raises(UserError, match="Chapter 99_made_up has no exercises"):
        exercises.find("99")


@pytest.mark.slow
def test_ctrl_c_stops_all(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.make_up([LOOP])
    with repository.start("99") as process:
        wait_until(
            lambda: any("redis-server" in line for line in repository.left()), "a Redis at work"
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 1
    assert repository.output().endswith("\nStopped.\n")
    assert not repository.left()
    assert not [*repository.var.glob("*")]


@pytest.mark.slow
def test_watch_checks_again_on_save(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    right, wrong, *_ = SLIPS
    [path] = repository.make_up([wrong])
    with repository.start("99", "--watch") as process:
        wait_until(lambda: "Ctrl-C ends it" in repository.output(), "the first report")
        assert "✗ 0_slip: two() returns 2." in repository.output()
        path.write_text(right)
        wait_until(lambda: "All pass." in repository.output(), "a second report")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert repository.output().endswith("Stopped.\n")
    assert not repository.left()


@pytest.mark.slow
def test_endless_loop_is_ended_and_located(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "endless")
    repository.make_up([LOOP, STUBBORN])
    status, output = repository.check("99", "--deadline", "8")
    assert status == 1
    assert re.search(r"✗ 0_slip: it was not done after 8 s, in line [56] of 0_slip.py\n", output)
    assert "✗ 1_slip: it was not done after 8 s\n" in output, "this one has to be killed"


@pytest.mark.slow
@pytest.mark.parametrize("name", EXERCISES)
def test_start_runs_and_fails_one_named_assertion(
    started: dict[str, Future[Ended]], name: str
) -> None:
    exercise = EXERCISES[name]
    skip_if_worked_on([exercise])
    assert "TODO" in exercise.read_text()
    output = started[exercise.parent.parent.name].result().output
    found = re.search(f"✗ {exercise.stem}: (.*)", output)
    assert found, output
    assert re.fullmatch(r"Expected.*\.", found[1]), "a sentence about what was expected, no error"
    advice = exercises.advice(exercise, Verdict("failed", found[1]))
    assert (exercise.parent / f"hints/{exercise.stem}.md").read_text().strip() in advice
    assert not shown(exercise, advice)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXERCISES)
def test_another_right_answer_passes(verdicts: Verdicts, name: str) -> None:
    assert verdicts[name]["right"].result() == ("passed", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", EXERCISES)
def test_plausible_wrong_answers_fail_a_named_assertion(verdicts: Verdicts, name: str) -> None:
    wrong = [kind for kind in verdicts[name] if kind.startswith("wrong")]
    assert wrong
    for kind in wrong:
        verdict = verdicts[name][kind].result()
        assert verdict.state == "failed", kind
        assert verdict.words.startswith("Expected"), f"{kind}: a ✗ before what is right confuses"


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAPTERS)
def test_solutions_pass(solved: dict[str, Future[Ended]], name: str) -> None:
    status, output = solved[name].result()
    assert re.findall("✓ (.*)", output) == stems(name), output
    assert f"solutions in chapters/{name}/exercises/solutions/" in output
    assert status == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAPTERS)
def test_check_of_the_starts_gives_a_line_each_and_the_first_hint(
    started: dict[str, Future[Ended]], name: str
) -> None:
    skip_if_worked_on([path for path in EXERCISES.values() if path.parent.parent.name == name])
    status, output = started[name].result()
    assert status == 1
    assert re.findall("✗ (.*?): ", output) == stems(name), output
    folder = ROOT / "chapters" / name / "exercises"
    hints = [(folder / f"hints/{stem}.md").read_text().strip() in output for stem in stems(name)]
    assert hints == [number == 0 for number in range(len(hints))]
    for exercise in EXERCISES.values():
        assert not shown(exercise, output)


def skip_if_worked_on(exercises: list[Path]) -> None:
    """Leave out what tests a start, once a learner has begun to solve it."""
    words = ["git", "diff", "--quiet", "HEAD", "--", *map(str, exercises)]
    if subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode == 1:
        pytest.skip("you have worked on this exercise")


def stems(name: str) -> list[str]:
    """Return the names of a chapter's exercises, in order."""
    return [path.stem for path in EXERCISES.values() if path.parent.parent.name == name]


def shown(exercise: Path, output: str) -> list[str]:
    """Return the solution's own lines that can be read in an output."""
    solution = (exercise.parent / "solutions" / exercise.name).read_text().splitlines()
    own = {line.strip() for line in solution} - set(map(str.strip, exercise.open()))
    return [line for line in own if len(line) > 10 and line in output]
