"""`make offline`: a folder from which a laptop without network starts."""

import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.support.make_command import make, page_of
from tools import offline
from workbench.chapter import ROOT
from workbench.probes import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]
PYTHON = "{}.{}".format(*sys.version_info)
MACHINES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
SYSTEM = f"{'macos' if sys.platform == 'darwin' else 'linux'}-{MACHINES[platform.machine()]}"


def fill(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m tools offline` for a folder."""
    return subprocess.run(
        [sys.executable, "-m", "tools", "offline", "--folder", str(folder), *words],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fill a folder with all that this system needs."""
    folder = tmp_path_factory.mktemp("media") / "a stick"
    done = fill(folder, "--pythons", PYTHON, "--systems", SYSTEM)
    assert done.returncode == 0, done.stderr
    assert f"Wheels for Python {PYTHON} on {SYSTEM} ...\n" in done.stdout
    assert f"MB in {folder}: copy it to a laptop" in done.stdout
    return folder


@pytest.fixture
def index() -> Iterator[tuple[str, list[str]]]:
    """Be a package index that has nothing, and notes what it is asked for."""
    asked: list[str] = []

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple", asked
        server.shutdown()


def test_a_laptop_starts_and_gets_its_tests_from_the_folder_alone(
    stick: Path, tmp_path: Path, index: tuple[str, list[str]]
) -> None:
    laptop = tmp_path / "laptop"
    shutil.copytree(stick, laptop)
    home = tmp_path / "home"
    home.mkdir()
    url, asked = index
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PIP_INDEX_URL": url}
    python = f"PYTHON={Path(sys.base_prefix) / 'bin/python3'}"
    with make("run", python, f"PORT={free_port()}", cwd=laptop, env=env) as made:
        assert httpx.get(page_of(made)).status_code == 200
    # Its first tests stand for all: what matters here is that everything could be installed.
    tests = env | {"PYTEST_ADDOPTS": "-n 0 tests/test_instructors.py"}
    done = subprocess.run(
        ["make", "test", python], cwd=laptop, env=tests, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert asked == []


def test_filling_it_again_brings_it_up_to_date(stick: Path) -> None:
    (stick / "README.md").write_text("of last week")
    wheels = sorted((stick / "wheels").iterdir())
    done = fill(stick, "--pythons", PYTHON, "--systems", SYSTEM, "--lock", "requirements-run.txt")
    assert done.returncode == 0, done.stderr
    committed = subprocess.check_output(["git", "show", "HEAD:README.md"], cwd=ROOT, text=True)
    assert (stick / "README.md").read_text() == committed
    assert sorted((stick / "wheels").iterdir()) == wheels


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    done = fill(tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"{tmp_path} isn't empty: choose another, as in: make offline FOLDER=stick\n"
    )


def test_an_unknown_system_hears_which_there_are(tmp_path: Path) -> None:
    done = fill(tmp_path / "stick", SYSTEMS="windows")
    assert done.returncode == 2
    assert done.stderr == (f"'windows' isn't supported: choose of {', '.join(offline.SYSTEMS)}.\n")


def test_wheels_that_dont_fit_are_one_sentence_with_the_way_out(tmp_path: Path) -> None:
    """Somebody has a Python that nobody thought of."""
    shutil.copytree(ROOT / "workbench", tmp_path / "workbench")
    shutil.copy(ROOT / "requirements-run.txt", tmp_path)
    (tmp_path / "wheels").mkdir()
    python = str(Path(sys.base_prefix) / "bin/python3")
    words = [python, "workbench/bootstrap.py", "requirements-run.txt"]
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith(
        "requirements-run.txt could not be installed (see above): wheels/ lacks some for this "
        "machine: delete it to use the network, then try again.\n"
    )


@pytest.mark.parametrize(
    ("release", "system", "wanted"),
    [
        ("3.11.0", "macos-arm64", {"appnope", "numpy==2.4.6"}),
        ("3.12.99", "linux-arm64", {"numpy==2.5.5"}),
    ],
)
def test_markers_are_those_of_the_other_machine(
    release: str, system: str, wanted: set[str], tmp_path: Path
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "appnope==1.0.0 ; sys_platform == 'darwin'\n"
        "    # via ipykernel\n"
        "numpy==2.4.6 ; python_full_version < '3.12'\n"
        "numpy==2.5.5 ; python_full_version >= '3.12'\n"
        "pywinpty==3.0.2 ; os_name == 'nt'\n"
    )
    found = set(offline.pins_for(lock, release, offline.SYSTEMS[system][1]))
    assert {pin.replace("appnope==1.0.0", "appnope") for pin in found} == wanted
