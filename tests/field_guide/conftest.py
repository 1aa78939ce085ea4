"""Each test of the field guide gets a project, a Redis, and the words of its entry."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.field_guide.guide import Words, entries
from tests.field_guide.project import Project
from tests.support.chapter_runs import private_redis


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Redis for all tests of a file, and return its address without a database."""
    yield from private_redis(tmp_path_factory)


@pytest.fixture
def project(tmp_path: Path, redis_url: str) -> Project:
    """Begin a project, with an empty Redis."""
    Redis.from_url(redis_url).flushall()
    return Project(tmp_path, redis_url)


@pytest.fixture
def words(request: pytest.FixtureRequest) -> Iterator[Words]:
    """Return the words of the entry that has this test's name; demand that both be shown."""
    found = Words(entries()[request.node.name].words)
    yield found
    assert found.seen, "the words were on a screen"
    assert found.gone, "where it is mended they weren't"
