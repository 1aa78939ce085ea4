"""The pages and settings for maintainers: as much of them as can be checked here."""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from tests.support.markdown import dead_links

ROOT = Path(__file__).parents[1]


def settings(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def test_ci_runs_what_anybody_can_run_on_each_python_that_we_support() -> None:
    job = settings(".github/workflows/ci.yml")["jobs"]["prove"]
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_ci_proves_the_fast_tests_and_the_slow_ones() -> None:
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert lines[-2:] == ["make test", "make test-slow"]


def test_what_is_checked_before_a_commit_comes_from_our_own_environment() -> None:
    (repository,) = settings(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert [hook["id"] for hook in repository["hooks"]] == ["ruff", "ruff-format", "mypy"]
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")


def test_editors_are_told_the_line_lengths_of_ruff() -> None:
    text = (ROOT / ".editorconfig").read_text()
    lengths = re.findall(r"^\[(.+)\]\nmax_line_length = (\d+)$", text, re.M)
    assert lengths == [("*.py", "100"), ("chapters/**.py", "88")]
    assert "line-length = 100" in (ROOT / "pyproject.toml").read_text()
    assert "line-length = 88" in (ROOT / "chapters/ruff.toml").read_text()


def test_contributing_names_targets_that_there_are() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text()))
    assert {"format", "test", "test-slow"} <= named <= targets


def test_their_links_lead_somewhere() -> None:
    for name in ("CONTRIBUTING.md", "docs/DESIGN.md"):
        assert dead_links(ROOT / name) == []


def test_the_changelog_keeps_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## (.+)$", text, re.M)
    kinds = set(re.findall(r"^### (.+)$", text, re.M))
    assert releases[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", release) for release in releases[1:])
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_prose_for_maintainers_is_wrapped() -> None:
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "docs/DESIGN.md"):
        prose = [
            line for line in (ROOT / name).read_text().splitlines() if line[:1] not in ("|", " ")
        ]
        assert max(map(len, prose)) <= 100, name
