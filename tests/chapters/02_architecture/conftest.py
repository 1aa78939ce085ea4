"""Chapter 2 at work, for its tests: each pair of servers is started once, as a reader would."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.chapter_runs import EACH_PAIR, StartRun, chapter_runs, private_redis
from workbench.chapter_run import ChapterRun

CHAPTER = Path(__file__).parents[3] / "chapters/02_architecture"
collect_ignore = ["yours"]  # test_take_home runs what is in it
imported: dict[str, ModuleType] = {}


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


@pytest.fixture(scope="module")
def package() -> Iterator[ModuleType]:
    """Import the chapter's package; afterwards hide it: another chapter has a `lab`, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(CHAPTER))
        sys.modules.update(imported)  # not once more: shared tasks are registered by name
        import lab.tasks

        yield lab
    for name in [name for name in sys.modules if name.partition(".")[0] in ("lab", "support")]:
        imported[name] = sys.modules.pop(name)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address, without a database's number, of a Redis for apps in this process."""
    yield from private_redis(tmp_path_factory)
