"""What it costs to read states: as many questions for sixty photos as for two."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

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


def add_photos(app: Flask, number: int) -> list[str]:
    """Write photos with an order each, of which every second is done; return the orders' ids."""
    from lab.db import db
    from lab.models import Order, Photo

    with app.app_context():
        photos = [Photo(id=str(uuid4()), name="photo") for _ in range(number)]
        orders = [Order(task="tasks.develop", photo=photo) for photo in photos]
        db.session.add_all(orders)
        db.session.commit()
        for order in orders[::2]:
            app.extensions["celery"].backend.store_result(order.id, {"seconds": 1.5}, "SUCCESS")
        return [order.id for order in orders]


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


def redis_commands(url: str) -> int:
    """Return how many commands this Redis has carried out, without connecting and asking."""
    client: Any = redis.Redis.from_url(url)
    calls = {name: found["calls"] for name, found in client.info("commandstats").items()}
    own = ("cmdstat_info", "cmdstat_client", "cmdstat_hello", "cmdstat_select", "cmdstat_ping")
    return sum(number for name, number in calls.items() if not name.startswith(own))


def cost_of_the_list(app: Flask, redis_url: str) -> tuple[int, int]:
    """Return how many SQL statements and Redis commands GET /photos takes."""
    client = app.test_client()
    client.get("/photos")  # connections are open now
    before = redis_commands(redis_url)
    with statements() as found:
        assert client.get("/photos").status_code == 200
    return len(found), redis_commands(redis_url) - before


def test_a_list_costs_as_much_for_sixty_photos_as_for_two(app: Flask, redis_url: str) -> None:
    in_redis = app.config["CELERY"]["result_backend"].startswith("redis")
    add_photos(app, 2)
    of_two = cost_of_the_list(app, redis_url)
    add_photos(app, 58)
    of_sixty = cost_of_the_list(app, redis_url)

    assert of_sixty == of_two
    assert of_sixty == ((2, 1) if in_redis else (3, 0)), "(SQL statements, Redis commands)"


def test_the_list_says_of_each_photo_what_its_own_status_says(app: Flask) -> None:
    ids = add_photos(app, 4)
    client = app.test_client()
    photos = (client.get("/photos").json or {})["photos"]

    assert {photo["order"]["id"] for photo in photos} == set(ids)
    for photo in photos:
        assert photo["order"] == client.get(f"/tasks/{photo['order']['id']}").json
    states = [photo["order"]["state"] for photo in photos]
    assert sorted(states) == ["PENDING", "PENDING", "SUCCESS", "SUCCESS"]


def test_an_answer_that_hasnt_changed_is_304_without_a_body(app: Flask) -> None:
    order_id, *_ = add_photos(app, 2)
    client = app.test_client()
    for address in ("/photos", f"/tasks/{order_id}"):
        etag = client.get(address).headers["ETag"]
        same = client.get(address, headers={"If-None-Match": etag})
        assert (same.status_code, same.data) == (304, b"")

    etag = client.get("/photos").headers["ETag"]
    add_photos(app, 1)
    assert client.get("/photos", headers={"If-None-Match": etag}).status_code == 200
