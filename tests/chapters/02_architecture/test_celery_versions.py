"""The chapter's code, and the app of your own, run on each Celery from 5.4."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.chapter_runs import started
from workbench.log import Log
from workbench.service import Service

HERE = Path(__file__).parent
CHAPTER = HERE.parents[2] / "chapters/02_architecture"
VERSIONS = ["5.4", "5.5", "5.6", "5.7"]
QUICK = "--pool solo --without-mingle --without-gossip --loglevel INFO"
# kombu[redis] in place of celery[redis]: that of Celery 5.4 is too old for today's kombu.
PACKAGES = ["kombu[redis]", "flask~=3.1", "flask-sqlalchemy~=3.1", "sqlalchemy~=2.0", "pillow>=13"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Install each Celery, its newest patch, into an environment of its own."""
    folder = tmp_path_factory.mktemp("celery")
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda version: install(folder / version, version), VERSIONS)
        return dict(zip(VERSIONS, found, strict=True))


def install(folder: Path, version: str) -> Path:
    """Make an environment with one Celery; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    celery = f"celery[sqlalchemy]=={version}.*"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-compile"]
    done = subprocess.run([*pip, celery, *PACKAGES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return python


@pytest.fixture
def worker(
    request: pytest.FixtureRequest,
    pythons: dict[str, Path],
    version: str,
    redis_url: str,
    backend: str,
    tmp_path: Path,
) -> Iterator[dict[str, str]]:
    """Run the chapter's worker on one Celery; return the environment in which it runs."""
    results = {"redis": f"{redis_url}/1", "database": f"db+sqlite:///{tmp_path}/results.sqlite"}
    env = {
        "CELERY_BROKER_URL": f"{redis_url}/0",
        "CELERY_RESULT_BACKEND": results[backend],
        "LAB_CELERY__task_default_queue": f"photos-{version}-{backend}",
        "LAB_DIR": str(tmp_path / "lab"),
        "PYTHONPATH": str(CHAPTER),
    }
    command = f"{pythons[version]} -m celery -A make_celery worker {QUICK}"
    log = Log()
    service = Service(
        "worker",
        command,
        ready=lambda _: any(" ready." in line for line in log.lines("worker")),
        log=log,
        cwd=CHAPTER,
        env=os.environ | env,
    )
    with started(service):
        yield env


def use_lab(python: Path, photo: Path, env: dict[str, str]) -> list[Any]:
    """Order the chapter's tasks with this Python's Celery; return what came of them."""
    done = subprocess.run(
        [python, HERE / "use_lab.py", photo],
        cwd=CHAPTER,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("backend", ["redis", "database"])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_factory_runs_on_this_celery(
    worker: dict[str, str],
    pythons: dict[str, Path],
    version: str,
    small_photo: bytes,
    tmp_path: Path,
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(small_photo)
    installed, my_task, develop, listed = use_lab(pythons[version], photo, worker)

    assert installed.startswith(version)
    assert (my_task["state"], my_task["result"]) == ("SUCCESS", 5)
    assert develop["state"] == "SUCCESS", "it found its row: it ran in the app's context"
    assert list(develop["result"]) == ["seconds"]
    assert listed == develop
