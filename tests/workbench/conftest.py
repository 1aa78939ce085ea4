"""What tests of the doctor stand on: a chapter of their own, a Redis, and the doctor."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chapter_runs import private_redis
from tests.support.doctoring import OTHER, TRIAL, Doctor
from workbench import chapter
from workbench.probes import free_port


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two copies of the chapter, where chapters are."""
    folder = tmp_path_factory.mktemp("repository")
    source = chapter.ROOT / "tests/support/apps/trial_chapter"
    for name in (TRIAL, OTHER):
        shutil.copytree(source, folder / "chapters" / name)
    return folder


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Redis, and return its address without a database."""
    yield from private_redis(tmp_path_factory)


@pytest.fixture
def env(root: Path, redis: str, tmp_path: Path) -> dict[str, str]:
    """Return the variables of somebody who has typed all commands by hand, correctly."""
    return {
        "CELERY_BROKER_URL": f"{redis}/0",
        "CELERY_RESULT_BACKEND": f"{redis}/1",
        "LAB_DIR": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PORT": str(free_port()),
        "WORKBENCH_ROOT": str(root),
        "WORKBENCH_VAR": str(tmp_path / "var"),
    }


@pytest.fixture
def doctor(env: dict[str, str]) -> Doctor:
    """Return a function that calls the doctor, and returns its findings."""

    def call(*words: str, **more: str) -> list[dict[str, str]]:
        done = subprocess.run(
            [sys.executable, "-m", "workbench", "doctor", "--json", *words],
            cwd=chapter.ROOT,
            env=os.environ | env | more,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        findings: list[dict[str, str]] = json.loads(done.stdout)
        assert done.returncode == any(finding["fault"] for finding in findings)
        return findings

    return call
