"""For all of pytest: the lessons are tests too, and where nothing may skip, a skip fails."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.proof.lessons import lessons
from workbench import chapter, notebook
from workbench.errors import UserError

pytest_collect_file = lessons.pytest()

for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CHAPTER", "PORT", "BROKER", "BACKEND"):
    os.environ.pop(name, None)  # what `make test` sets is not meant for what the tests start
for name in list(os.environ):
    if name.startswith(("CELERY_", "LAB_")):
        os.environ.pop(name)  # the tests bring their own

os.environ["XRAY"] = "0"  # but for the tests that are about it

os.environ |= notebook.environment(chapter.VAR)  # no file of a notebook's ends in your home


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `--chapter 03` choose one chapter's tests, as `make test CHAPTER=03` does."""
    parser.addoption("--chapter", metavar="NN", help="run the tests of this chapter only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that don't name the chapter in their path or their parameters."""
    wanted = config.getoption("--chapter")
    if wanted:
        try:
            name = chapter.find(wanted).name
        except UserError as error:
            raise pytest.UsageError(error.message) from None
        others = [item for item in items if name not in item.nodeid]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if name in item.nodeid]


class TogetherScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist brings no types
    """Keeps tests that share servers together: those of a chapter, or else of a file."""

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        return str(path.parent if path.parts[:2] == ("tests", "chapters") else path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> TogetherScheduling:
    """Choose how the processes share the tests."""
    return TogetherScheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure if NO_SKIPS is set, as .ci/run does."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"skipped, where nothing may skip: {report.longrepr}"
    return report
