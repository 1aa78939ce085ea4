"""The X-ray as a package: it is built, installed beside each Celery, and watches a worker of it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deployment import ROOT, Deployment, listen
from tests.xray.test_observer import until
from workbench.probes import answers_http, free_port
from workbench.service import Service

VERSIONS = ["5.4", "5.5", "5.6", "5.7"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*words: str | Path, cwd: Path | None = None) -> str:
    """Run a command that must succeed; return what it prints."""
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(folder: Path, *packages: str | Path) -> Path:
    """Make an environment with some packages; return its folder of commands."""
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/python", "-m", "pip", "install", "--quiet", *packages)
    return folder / "bin"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package in a copy; return the wheel, which lies beside the source package."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT / "xray", folder / "xray", ignore=shutil.ignore_patterns("__pycache__"))
    tools = environment(folder / "tools", "build", "twine")
    run(tools / "python", "-m", "build", "--outdir", folder / "dist", folder / "xray")
    run(tools / "twine", "check", "--strict", *sorted((folder / "dist").iterdir()))
    (found,) = (folder / "dist").glob("*.whl")
    return found


def test_the_wheel_has_the_page_and_the_licence(wheel: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(wheel, tmp_path, "zip")
    pages = {path.name for path in (ROOT / "xray/page").iterdir()}
    assert {path.name for path in (tmp_path / "xray/page").iterdir()} == pages
    assert list(tmp_path.glob("celery_xray-*.dist-info/licenses/LICENSE"))
    assert len(list(wheel.parent.glob("*.tar.gz"))) == 1


@pytest.fixture(params=VERSIONS)
def commands(request: pytest.FixtureRequest, wheel: Path, tmp_path: Path) -> Path:
    """Install the X-ray beside one Celery; return the folder of commands."""
    return environment(tmp_path / "venv", wheel, f"celery=={request.param}.*")


@pytest.fixture
def deployment(commands: Path, tmp_path: Path) -> Iterator[Deployment]:
    """Run a Redis, and a worker of that Celery."""
    with Deployment(tmp_path, start=False) as deployment:
        deployment.worker = deployment.another("--concurrency 1", f"{commands}/celery")
        deployment.worker.launch()
        deployment.worker.wait()
        yield deployment


def test_it_watches_a_worker_of_that_celery(commands: Path, deployment: Deployment) -> None:
    by_address = f"{commands}/celery-xray --broker {deployment.broker}"
    by_address += f" --result-backend {deployment.backend}"
    for command in (f"{commands}/celery -A noop xray", by_address):
        port = free_port()
        service = Service(
            "xray",
            f"{command} --port {port}",
            ready=answers_http(port),
            log=deployment.log,
            cwd=ROOT / "tests/support/apps",
            env=deployment.worker.env,
        )
        service.launch()
        try:
            service.wait()
            with listen(f"http://127.0.0.1:{port}") as facts:
                until(facts, of="worker", alive=True)
                (done,) = deployment.send("noop")
                until(facts, of="event", type="succeeded", id=done)
                until(facts, of="result", id=done, state="SUCCESS")
        finally:
            service.close()
