"""The notebooks as files, and what becomes of what they start. nbval runs and compares the rest."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jupytext
import nbformat
import psutil
import pytest
from jupyter_client.manager import start_new_kernel
from playwright.sync_api import expect

from tests.support.browser import WIDE, chromium, page
from tests.support.make_command import make
from tests.support.waiting import wait_until
from workbench import chapter
from workbench.probes import free_port

ROOT = chapter.ROOT
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path) -> list[Any]:
    found: list[Any] = nbformat.read(path, as_version=4).cells
    return found


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in cells(path) if cell.cell_type == "code"]


def text_of(output: Any) -> str:
    """Return what nbval compares of an output: not the pictures."""
    return str(output.get("text") or output.get("data", {}).get("text/plain", ""))


def test_each_chapter_has_its_notebook() -> None:
    assert [path.stem for path in NOTEBOOKS] == [found.name for found in chapter.chapters()]


@each_notebook
def test_notebook_and_source_are_one(path: Path) -> None:
    """If this fails: change the source (.py), then `make notebooks`."""

    def contents(found: list[Any]) -> list[tuple[str, str, Any]]:
        return [(cell.cell_type, cell.source, cell.metadata.get("slideshow")) for cell in found]

    assert contents(cells(path)) == contents(jupytext.read(path.with_suffix(".py")).cells)


@each_notebook
def test_it_was_run_once_from_top_to_bottom(path: Path) -> None:
    found = code_cells(path)
    assert [cell.execution_count for cell in found] == list(range(1, len(found) + 1))
    for cell in found:
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"


@each_notebook
def test_a_cell_whose_output_isnt_compared_says_why(path: Path) -> None:
    for cell in code_cells(path):
        unchecked = set(cell.metadata.get("tags", [])) & {"nbval-ignore-output", "nbval-skip"}
        if unchecked or re.search("NBVAL_|PYTEST_VALIDATE", cell.source):
            assert re.search("^# Not compared: .{15}", cell.source, re.MULTILINE), cell.source


@each_notebook
def test_each_plot_says_what_one_sees(path: Path) -> None:
    found = cells(path)
    plots = [
        number
        for number, cell in enumerate(found)
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
    ]
    assert plots
    for number in plots:
        assert found[number + 1].source.startswith("**What you see.**"), found[number].source


# --- the comparison bites -------------------------------------------------------------------------


def another_word(text: str) -> str:
    """Change the last word."""
    return re.sub(r"\w+(\W*)$", r"elephants\1", text)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the repository, or of what a notebook needs of it, to write in."""
    for name in (".venv", "chapters", "requirements.txt", "requirements-run.txt", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("notebooks", "workbench", "xray"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.slow
@each_notebook
def test_a_changed_word_fails_the_cell(copy: Path, path: Path) -> None:
    """Change a word of each output: each cell fails then, but those that say "not compared"."""
    changed = copy / "notebooks" / path.name
    notebook = nbformat.read(changed, as_version=4)
    wanted = {}
    for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        texts = [output for output in cell.outputs if another_word(text_of(output)).strip()]
        for output in texts[:1]:
            if "text" in output:
                output.text = another_word(output.text)
            else:
                output.data["text/plain"] = another_word(output.data["text/plain"])
        is_compared = "nbval-ignore-output" not in cell.metadata.get("tags", [])
        wanted[f"Cell {number}"] = bool(texts) and is_compared
    nbformat.write(notebook, changed)
    options = ["--rootdir", str(copy), "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
    report = copy / "report.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", *options, f"--junitxml={report}", str(changed)],
        cwd=ROOT,
        check=False,
    )
    found = {
        str(case.get("name")): case.find("failure") is not None
        for case in ElementTree.parse(report).iter("testcase")
    }
    assert found == wanted
    assert sum(wanted.values()) > 8


# --- nothing is left behind -----------------------------------------------------------------------


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[tuple[Any, Any]]:
    """Start a kernel where the notebooks are; return its manager and a client."""
    env = os.environ | {"WORKBENCH_VAR": str(tmp_path)}
    manager, client = start_new_kernel(kernel_name="python3", cwd=ROOT / "notebooks", env=env)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def process_tree(manager: Any) -> list[psutil.Process]:
    return psutil.Process(manager.provisioner.pid).children(recursive=True)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["restarted", "killed", "shut down"])
def test_what_a_kernel_started_ends_with_it(kernel: tuple[Any, Any], end: str) -> None:
    manager, client = kernel
    client.execute_interactive(code_cells(NOTEBOOKS[0])[0].source, timeout=60)
    started = process_tree(manager)
    assert len(started) > 6
    if end == "killed":
        psutil.Process(manager.provisioner.pid).kill()
    elif end == "restarted":
        manager.restart_kernel()
    else:
        manager.shutdown_kernel()
    wait_until(
        lambda: not any(process.is_running() for process in started), "all of them to be gone", 20
    )


@pytest.mark.slow
def test_an_interrupted_start_leaves_nothing(kernel: tuple[Any, Any]) -> None:
    manager, client = kernel
    cell = client.execute(code_cells(NOTEBOOKS[0])[0].source)
    wait_until(lambda: len(process_tree(manager)) > 3, "its first processes", 30)
    manager.interrupt_kernel()
    while (reply := client.get_shell_msg(timeout=30))["parent_header"]["msg_id"] != cell:
        continue  # an answer to something that was asked while it started
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    left = [" ".join(process.cmdline()) for process in process_tree(manager)]
    assert [words for words in left if "workbench.guard" not in words] == []


# --- in JupyterLab --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_chapter_without_a_notebook_is_refused_before_anything_is_installed(copy: Path) -> None:
    done = subprocess.run(
        ["make", "-n", "notebook"], cwd=copy, capture_output=True, text=True, check=True
    )
    steps = done.stdout.splitlines()
    (check,) = [number for number, step in enumerate(steps) if "notebook --check" in step]
    assert "requirements-run.txt" in steps[check - 1]
    assert "requirements.txt" in steps[check + 1]
    words = [sys.executable, "-m", "workbench", "notebook", "--check", "99"]
    done = subprocess.run(words, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("There is no chapter '99': choose one of ")


@pytest.mark.slow
def test_run_all_works_in_jupyterlab(copy: Path) -> None:
    """As a reader would: `make notebook`, then Run All."""
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--clear-output", "--inplace", NOTEBOOKS[0].name],
        cwd=copy / "notebooks",
        check=True,
    )
    opened = copy / "opened"
    browser_of_the_system = copy / "browser"
    browser_of_the_system.write_text(f'#!/bin/sh\necho "$1" > "{opened}"\n')
    browser_of_the_system.chmod(0o755)
    port = free_port()
    env = os.environ | {"BROWSER": str(browser_of_the_system), "NOTEBOOK_PORT": str(port)}
    with make("notebook", f"CHAPTER={NOTEBOOKS[0].stem}", cwd=copy, env=env) as made:
        assert made.stdout
        url = next(found[0] for line in made.stdout if (found := re.search(r"http://127\S+", line)))
        assert f"/lab/tree/notebooks/{NOTEBOOKS[0].name}?token=" in url
        wait_until(opened.exists, "the browser to be opened")
        with chromium() as browser, page(browser, url, WIDE) as lab:
            expect(lab.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
            lab.get_by_role("menuitem", name="Run", exact=True).click()
            lab.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            end = lab.locator(".jp-OutputArea-output", has_text="still running: []")
            expect(end).to_have_count(1, timeout=90_000)
            stderr = lab.locator("[data-mime-type='application/vnd.jupyter.stderr']")
            expect(stderr).to_have_count(0)  # where tracebacks stand, too
        everybody = psutil.Process(made.pid).children(recursive=True)
    wait_until(lambda: not any(process.is_running() for process in everybody), "all to be gone", 20)
