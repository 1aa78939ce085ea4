"""Chapter 2 at work, for its tests: each pair of servers is started once, as a reader would."""

from collections.abc import Iterator

import pytest

from tests.support.chapter_runs import EACH_PAIR, StartRun, chapter_runs
from workbench.chapter_run import ChapterRun


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRun]:
    """Return a function that runs the chapter on a broker and a backend, once for all tests."""
    yield from chapter_runs("02", tmp_path_factory)


@pytest.fixture
def lab(labs: StartRun) -> Iterator[ChapterRun]:
    """Use the chapter on Redis and Redis, and mend what the test has broken."""
    chapter_run = labs("redis", "redis")
    yield chapter_run
    chapter_run.start_all()


@pytest.fixture
def database_lab(labs: StartRun) -> Iterator[ChapterRun]:
    """Use the chapter with its results in a database, and mend what the test has broken."""
    chapter_run = labs("redis", "database")
    yield chapter_run
    chapter_run.start_all()


@pytest.fixture(params=EACH_PAIR)
def any_lab(request: pytest.FixtureRequest, labs: StartRun) -> Iterator[ChapterRun]:
    """Use the chapter on each pair of servers, and mend what the test has broken."""
    chapter_run = labs(*request.param.split("-"))
    yield chapter_run
    chapter_run.start_all()
