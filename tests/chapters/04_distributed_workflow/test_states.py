"""What it costs to read states: as many questions for six albums of many photos as for one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
from flask import Flask
from sqlalchemy import Engine, event


@pytest.fixture(params=["redis", "database"])
def app(
    request: pytest.FixtureRequest, package: ModuleType, tmp_path: Path, redis_url: str
) -> Flask:
    """Make an app whose results are in Redis, or in a database."""
    redis.Redis.from_url(redis_url).flushall()
    backends = {"redis": f"{redis_url}/1", "database": f"db+sqlite:///{tmp_path}/results.sqlite"}
    urls = {"broker_url": f"{redis_url}/0", "result_backend": backends[request.param]}
    app: Flask = package.create_app({"DIR": tmp_path, "CELERY": urls})
    assert app.test_cli_runner().invoke(args=["init-db"]).exit_code == 0
    return app


def add_album(app: Flask, photos: int) -> str:
    """Write an album that is on order, once for the second time, and is packed."""
    from lab.db import db
    from lab.models import Album, Order, Photo, new_id
    from lab.workflow import write_album_orders

    with app.app_context():
        album = Album(name="album")
        album.photos = [Photo(id=new_id(), name="photo") for _ in range(photos)]
        db.session.add(album)
        db.session.commit()
        for _ in range(2):
            write_album_orders(album)
        db.session.add(Order(task="tasks.pack", album=album))
        db.session.commit()
        return album.id


@contextmanager
def statements() -> Iterator[list[str]]:
    """Note each SQL statement of this process."""
    found: list[str] = []

    def note(*args: Any) -> None:
        found.append(args[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture
def cost_of(
    app: Flask, redis_url: str, count_calls: Callable[[str, str], int]
) -> Callable[[str], tuple[int, int, int]]:
    """Return a function that counts the SQL statements, the MGETs and the GETs of a request."""

    def cost(address: str) -> tuple[int, int, int]:
        client = app.test_client()
        client.get(address)  # connections are open now
        before = [count_calls(redis_url, name) for name in ("mget", "get")]
        with statements() as found:
            assert client.get(address).status_code == 200
        after = [count_calls(redis_url, name) for name in ("mget", "get")]
        return len(found), after[0] - before[0], after[1] - before[1]

    return cost


def test_a_list_costs_as_much_for_six_large_albums_as_for_a_small_one(
    app: Flask, cost_of: Callable[[str], tuple[int, int, int]]
) -> None:
    in_redis = app.config["CELERY"]["result_backend"].startswith("redis")
    add_album(app, 2)
    of_one = cost_of("/albums")
    for _ in range(5):
        add_album(app, 24)
    of_six = cost_of("/albums")

    assert of_six == of_one
    assert of_six == ((3, 1, 0) if in_redis else (4, 0, 0)), "(SQL statements, MGETs, GETs)"


def test_one_album_costs_a_fixed_number_of_questions_too(
    app: Flask, cost_of: Callable[[str], tuple[int, int, int]]
) -> None:
    small, large = add_album(app, 2), add_album(app, 24)
    assert cost_of(f"/albums/{small}") == cost_of(f"/albums/{large}")


def test_an_answer_that_hasnt_changed_is_304_without_a_body(app: Flask) -> None:
    album = add_album(app, 2)
    client = app.test_client()
    for address in ("/albums", f"/albums/{album}"):
        etag = client.get(address).headers["ETag"]
        same = client.get(address, headers={"If-None-Match": etag})
        assert (same.status_code, same.data) == (304, b"")

    etag = client.get("/albums").headers["ETag"]
    add_album(app, 1)
    assert client.get("/albums", headers={"If-None-Match": etag}).status_code == 200


# --- the state of the whole ----------------------------------------------------------------------

WAITING, BEGUN, DONE = ["PENDING"] * 3, ["SUCCESS", "STARTED", "PENDING"], ["SUCCESS"] * 3


@pytest.mark.parametrize(
    ("published_at", "failed_at", "states", "expected"),
    [
        pytest.param(None, None, [], None, id="never ordered"),
        pytest.param(None, None, WAITING, "PENDING", id="waiting"),
        pytest.param(None, None, BEGUN, "STARTED", id="begun"),
        pytest.param(None, None, DONE, "STARTED", id="all done, a moment before it is published"),
        pytest.param(200, None, BEGUN, "SUCCESS", id="published"),
        pytest.param(50, None, WAITING, "PENDING", id="published, then ordered again"),
        pytest.param(50, None, [], "SUCCESS", id="published without orders"),
        pytest.param(None, 200, BEGUN, "FAILURE", id="failed"),
        pytest.param(None, 50, WAITING, "PENDING", id="failed, then ordered again"),
        pytest.param(200, 250, BEGUN, "FAILURE", id="published, then failed"),
        pytest.param(None, None, [*BEGUN, "REVOKED"], "REVOKED", id="cancelled"),
        pytest.param(None, 200, [*BEGUN, "REVOKED"], "REVOKED", id="cancelled, and so failed"),
        pytest.param(200, None, [*BEGUN, "REVOKED"], "SUCCESS", id="cancelled too late"),
        pytest.param(None, None, ["SUCCESS", "EXPIRED"], "FAILURE", id="expired"),
    ],
)
def test_the_state_of_an_album(
    package: ModuleType,
    published_at: float | None,
    failed_at: float | None,
    states: list[str],
    expected: str | None,
) -> None:
    from lab.album_status import album_state
    from lab.models import Album

    album = Album(published_at=published_at, failed_at=failed_at)
    assert album_state(album, 100 if states else 0, states) == expected
