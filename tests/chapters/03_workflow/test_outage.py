"""Broker or backend down: a 503 soon, nothing left, and a cancelled order stays cancelled."""

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from tests.support.outages import REFUSED_WITHIN, SILENT_WITHIN, WAYS, expect_503, served, timed
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

PHOTO, PRINTED, ORDER = (f"6a8f12a0-0000-4000-8000-00000000000{number}" for number in range(1, 4))
Kept = dict[str, set[str]]
WEB = (
    "flask --app lab init-db && exec waitress-serve --threads=4 "
    "--listen=127.0.0.1:{port} --call lab:create_app"
)


def kept(folder: Path) -> Kept:
    """Return what a lab's folder holds: ids of rows, and of photos as files."""
    with closing(sqlite3.connect(folder / "lab.sqlite", timeout=10)) as database:
        found = {
            table: {row[0] for row in database.execute(f'select id from "{table}"')}
            for table in ("photo", "order", "letter")
        }
    return found | {"files": {path.name for path in folder.glob("photos/*")}}


def is_cancelled(folder: Path) -> bool:
    with closing(sqlite3.connect(folder / "lab.sqlite", timeout=10)) as database:
        sql = 'select cancelled_at from "order" where id = ?'
        return bool(database.execute(sql, [ORDER]).fetchone()[0])


def fill(folder: Path, photo: bytes) -> None:
    """Bring a photo that waits, one that is developed, and a publication for later."""
    now = time.time()
    (folder / "photos").mkdir()
    with closing(sqlite3.connect(folder / "lab.sqlite")) as database, database:
        for photo_id, developed_at in ((PHOTO, None), (PRINTED, now)):
            (folder / "photos" / photo_id).write_bytes(photo)
            database.execute(
                "insert into photo (id, name, uploaded_at, developed_at) values (?, ?, ?, ?)",
                [photo_id, "photo.jpg", now, developed_at],
            )
            database.execute(
                'insert into "order" (id, task, placed_at, photo_id) values (?, ?, ?, ?)',
                [f"develop {photo_id}", "tasks.develop", now - 1, photo_id],
            )
        database.execute(
            'insert into "order" (id, task, placed_at, due_at, photo_id) values (?, ?, ?, ?, ?)',
            [ORDER, "tasks.publish", now, now + 3600, PRINTED],
        )


@pytest.fixture
def web(
    lab: ChapterRun,
    client: httpx.Client,
    small_photo: bytes,
    broker: str,
    part: str,
    way: str,
    tmp_path: Path,
) -> Iterator[str]:
    """Serve a lab that has something in it, while a part is down; return its address."""
    with served(lab, WEB, tmp_path, broker, part, way) as address:
        fill(tmp_path, small_photo)
        client.get(f"{address}/photos")  # the first client waits for imports, too
        yield address


CASES = [
    pytest.param(*case, way, id="-".join([*case, way]))
    for case in (("redis", "backend"), ("redis", "broker"), ("rabbitmq", "broker"))
    for way in WAYS
    if way != "drops" or sys.platform == "linux"  # only Linux drops these
]
each_case = pytest.mark.parametrize(("broker", "part", "way"), CASES)


@each_case
@pytest.mark.slow
def test_orders_are_refused_in_time_and_leave_nothing(
    web: str, client: httpx.Client, small_photo: bytes, tmp_path: Path, part: str, way: str
) -> None:
    before = kept(tmp_path)
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    orders: list[Callable[[], httpx.Response]] = [
        lambda: client.post(f"{web}/photos", files={"photo": small_photo}),
        lambda: client.post(f"{web}/photos/{PHOTO}/orders"),
        lambda: client.post(f"{web}/photos/{PHOTO}/publication", data={"at": soon}),
        lambda: client.post(f"{web}/photos/{PRINTED}/letters", data={"email": "you@example.com"}),
    ]
    with ThreadPoolExecutor() as pool:  # as many visitors as the server has threads
        answers = list(pool.map(timed, orders))

    for answer, seconds in answers:
        assert seconds < limit(way), answer.request.url
        expect_503(answer)
    expect_only_named_orders(before, kept(tmp_path), "".join(answer.text for answer, _ in answers))


@each_case
@pytest.mark.slow
def test_a_cancelled_order_stays_cancelled(
    web: str, client: httpx.Client, tmp_path: Path, part: str, way: str
) -> None:
    """Without a broker nobody can be told; the row says it, and a task reads it when it begins."""
    answer, seconds = timed(lambda: client.delete(f"{web}/tasks/{ORDER}"))
    assert seconds < limit(way)
    if part == "backend":  # whether the order has ended can't be known
        expect_503(answer)
        assert not is_cancelled(tmp_path)
        return
    assert answer.status_code == 202
    assert answer.json()["state"] == "REVOKED"
    assert is_cancelled(tmp_path)
    assert client.get(f"{web}/tasks/{ORDER}").json()["state"] == "REVOKED"


@each_case
@pytest.mark.slow
def test_what_needs_neither_goes_on(web: str, client: httpx.Client) -> None:
    for path in ("", "mail", "diary"):
        assert client.get(f"{web}/{path}").status_code == 200


def limit(way: str) -> float:
    return SILENT_WITHIN if way == "is silent" else REFUSED_WITHIN


def expect_only_named_orders(before: Kept, after: Kept, said: str) -> None:
    """Check that nothing is left but orders that may have been sent, which an answer names."""
    new = {name: after[name] - before[name] for name in after}
    for order in new["order"]:
        assert f"It may have your order: see /tasks/{order} first" in said
    assert said.count("It may have your order") == len(new["order"])
    assert len(new["letter"]) + len(new["photo"]) <= len(new["order"])
    assert new["files"] == new["photo"]
    assert all(before[name] <= after[name] for name in before)


# --- servers that are stopped, and come back


def drop_what_is_held(lab: ChapterRun) -> None:
    """Have the worker hold nothing for later, as other tests may have left it.

    With that, it may take more than 40 s to go on after its broker was away.
    """
    if lab.broker_url.startswith("redis"):
        lab.stop("worker")
        redis.Redis.from_url(lab.broker_url).flushdb()
        lab.start("worker")


@pytest.mark.slow
def test_after_an_outage_all_goes_on_without_a_restart(any_api: Any, small_photo: bytes) -> None:
    api, lab = any_api, any_api.lab
    drop_what_is_held(lab)
    photo = api.developed(small_photo)
    names = ["web", "worker", "beat", "mail"]
    processes = [lab.services[name].pid for name in names]
    lab.stop("broker")
    for ask in (
        lambda: api.upload(small_photo),
        lambda: api.post(f"/photos/{photo['id']}/letters", email="you@example.com"),
    ):
        answer, seconds = timed(ask)
        expect_503(answer)
        assert seconds < REFUSED_WITHIN
    lab.start("broker")

    # The first order may meet a connection that died.
    wait_until(lambda: api.upload(small_photo).status_code == 202, "an order to be accepted")
    api.until(api.write(photo, "you@example.com"), "SUCCESS", seconds=40)
    assert [lab.services[name].pid for name in names] == processes


@pytest.mark.slow
@pytest.mark.parametrize("any_lab", ["rabbitmq-redis"], indirect=True)
def test_over_a_connection_that_died_cancelling_ends_in_time(
    any_api: Any, small_photo: bytes
) -> None:
    """Celery's own `control.revoke` would try for ever."""
    photo = any_api.developed(small_photo)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert any_api.cancel(any_api.publish(photo, tomorrow)).status_code == 202
    order = any_api.publish(photo, tomorrow)
    any_api.lab.stop("broker")
    answer, seconds = timed(lambda: any_api.cancel(order))

    assert (answer.status_code, answer.json()["state"]) == (202, "REVOKED")
    assert seconds < REFUSED_WITHIN


@pytest.mark.slow
def test_a_publication_that_waits_in_the_queue_survives_a_restart_of_the_broker(
    api: Any, small_photo: bytes
) -> None:
    photo = api.developed(small_photo)
    api.lab.stop("worker")
    due = datetime.now(UTC) + timedelta(seconds=3)
    order = api.publish(photo, due)
    api.lab.stop("broker")
    api.lab.start("broker")
    api.lab.start("worker")
    assert api.until(order, "SUCCESS")["result"]["published_at"] >= due.timestamp()
