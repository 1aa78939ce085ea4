"""Chapter 1 at work, for its tests: started once a module, as its reader would start it."""

from collections.abc import Iterator

import pytest

from tests.support.chapter_runs import need_rabbitmq
from workbench.chapter_run import ChapterRun


@pytest.fixture(scope="session")
def redis_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChapterRun]:
    """Run the chapter on Redis, once for all tests."""
    with ChapterRun("01", folder=tmp_path_factory.mktemp("redis")) as chapter_run:
        yield chapter_run


@pytest.fixture(scope="session")
def rabbitmq_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChapterRun]:
    """Run the chapter on RabbitMQ, once for all tests."""
    need_rabbitmq()
    with ChapterRun(
        "01", broker="rabbitmq", folder=tmp_path_factory.mktemp("rabbitmq")
    ) as chapter_run:
        yield chapter_run


@pytest.fixture
def lab(redis_lab: ChapterRun) -> Iterator[ChapterRun]:
    """Use the chapter on Redis, and mend what the test has broken."""
    yield redis_lab
    redis_lab.start_all()


@pytest.fixture(params=["redis", pytest.param("rabbitmq", marks=pytest.mark.slow)])
def any_lab(request: pytest.FixtureRequest) -> Iterator[ChapterRun]:
    """Use the chapter on each broker, and mend what the test has broken."""
    chapter_run: ChapterRun = request.getfixturevalue(f"{request.param}_lab")
    yield chapter_run
    chapter_run.start_all()
