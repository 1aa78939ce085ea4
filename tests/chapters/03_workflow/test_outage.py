"""Broker or result backend away: a 503 soon, what was refused leaves nothing, a note stays."""

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

from tests.support.outages import REFUSED_WITHIN, SILENT_WITHIN, WAYS, expect_503, served, timed
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

PHOTO, IN_ALBUM, ALBUM, ORDER = (f"6a8f12a0-0000-4000-8000-00000000000{n}" for n in range(1, 5))
Rows = dict[str, set[str]]
WEB = (
    "flask --app lab init-db && exec waitress-serve --threads=4 "
    "--listen=127.0.0.1:{port} --call lab:create_app"
)


def kept(folder: Path) -> Rows:
    """Return what a lab's folder holds: ids of rows, and of photos as files."""
    with closing(sqlite3.connect(folder / "lab.sqlite", timeout=10)) as database:
        found = {
            table: {row[0] for row in database.execute(f'select id from "{table}"')}
            for table in ("photo", "album", "order", "letter")
        }
        sql = "select id || ' ' || coalesce(ordered, '') || ' ' || coalesce(trouble, '') from album"
        found["standing"] = {row[0] for row in database.execute(sql)}
    return found | {"files": {path.name for path in folder.glob("photos/*")}}


def taken_back(folder: Path) -> bool:
    with closing(sqlite3.connect(folder / "lab.sqlite", timeout=10)) as database:
        sql = 'select taken_back from "order" where id = ?'
        return bool(database.execute(sql, [ORDER]).fetchone()[0])


def fill(folder: Path, photo: bytes) -> None:
    """Bring a photo, an album of one that is developed, and a publication for later."""
    now = time.time()
    (folder / "photos").mkdir()
    with closing(sqlite3.connect(folder / "lab.sqlite")) as database, database:
        database.execute(
            "insert into album (id, name, email, made, ordered, trouble) values (?, ?, ?, ?, ?, ?)",
            [ALBUM, "Summer", "you@example.com", now, now - 9, "ChordError: of an order before"],
        )
        for photo_id, album_id in ((PHOTO, None), (IN_ALBUM, ALBUM)):
            (folder / "photos" / photo_id).write_bytes(photo)
            database.execute(
                "insert into photo (id, name, taken_in, developed, album_id) values (?,?,?,?,?)",
                [photo_id, "photo.jpg", now, now, album_id],
            )
        database.execute(
            'insert into "order" (id, task, placed, due, photo_id) values (?, ?, ?, ?, ?)',
            [ORDER, "tasks.publish", now, now + 3600, IN_ALBUM],
        )
        database.execute(
            'insert into "order" (id, task, placed, photo_id) values (?, ?, ?, ?)',
            ["developing", "tasks.develop", now - 1, PHOTO],
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
    """Serve a lab that has something in it, while a part is away; return its address."""
    with served(lab, WEB, tmp_path, broker, part, way) as address:
        fill(tmp_path, small_photo)
        client.get(f"{address}/photos")  # the first client waits for imports, too
        expect_503(client.post(f"{address}/my-task", data={"arg1": 1, "arg2": 2}))
        yield address


CASES = [
    pytest.param(
        *case,
        way,
        id="-".join([*case, way]),
        marks=[] if (case, way) == (("redis", "broker"), "refuses") else pytest.mark.slow,
    )
    for case in (("redis", "backend"), ("redis", "broker"), ("rabbitmq", "broker"))
    for way in WAYS
    if way != "drops" or sys.platform == "linux"  # only Linux drops these
]


@pytest.mark.parametrize(("broker", "part", "way"), CASES)
def test_away_is_said_in_time_what_was_refused_leaves_nothing_and_a_note_stays(
    web: str,
    client: httpx.Client,
    small_photo: bytes,
    tmp_path: Path,
    broker: str,
    part: str,
    way: str,
) -> None:
    limit = SILENT_WITHIN if way == "is silent" else REFUSED_WITHIN
    before = kept(tmp_path)
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    orders: list[Callable[[], httpx.Response]] = [
        lambda: client.post(f"{web}/photos", files={"photo": small_photo}),
        lambda: client.post(f"{web}/photos/{PHOTO}/publication", data={"at": soon}),
        lambda: client.post(f"{web}/albums/{ALBUM}/orders"),
        lambda: client.post(f"{web}/albums/{ALBUM}/zip"),
    ]
    looks: list[Callable[[], httpx.Response]] = [
        lambda: client.get(f"{web}/tasks/{ORDER}"),
        lambda: client.get(f"{web}/photos"),
    ]
    with ThreadPoolExecutor() as pool:  # as many visitors as the server has threads
        answers = [*pool.map(timed, orders), *pool.map(timed, looks)]
    for answer, seconds in answers:
        assert seconds < limit, answer.request.url
        if part == "backend" or answer.request.method == "POST":
            expect_503(answer)
        else:
            assert answer.status_code == 200
            assert '"state":' in answer.text

    after, said = kept(tmp_path), "".join(answer.text for answer, _ in answers)
    if part == "backend" or way == "refuses" or (broker, way) == ("redis", "drops"):
        assert after == before, "definitely refused, so nothing is left"
    else:
        what_is_left_was_said(before, after, said)
    assert {PHOTO, IN_ALBUM} <= after["files"], "the photos that were there are still there"
    assert ALBUM in after["album"]
    for path in ("", "mail", "diary"):
        assert client.get(f"{web}/{path}").status_code == 200, "these need neither"
    empty = client.post(f"{web}/albums", data={"name": "a", "email": "you@example.com"})
    assert empty.status_code == 201, "an album is made without them, and filled"
    put_in = client.post(web + empty.headers["Location"] + "/photos", files={"photo": small_photo})
    assert put_in.status_code == 201

    answer, seconds = timed(lambda: client.delete(f"{web}/tasks/{ORDER}"))
    assert seconds < limit
    if part == "backend":
        expect_503(answer)
        assert not taken_back(tmp_path)
    else:  # the note is what counts: a worker reads it before it publishes
        assert answer.status_code == 202
        assert answer.json()["state"] == "REVOKED"
        assert taken_back(tmp_path)
        assert client.get(f"{web}/tasks/{ORDER}").json()["state"] == "REVOKED"


def what_is_left_was_said(before: Rows, after: Rows, said: str) -> None:
    """Check that nothing is left but orders that may have left us, which the answers name."""
    new = {table: after[table] - before[table] for table in before}
    assert all(before[name] <= after[name] for name in before if name != "standing")
    assert (new["album"], new["letter"]) == (set(), set())
    assert new["files"] == new["photo"]
    named = {order for order in new["order"] if f"see /tasks/{order} first" in said}
    assert said.count("It may have your order") == len(named)
    # An album is three orders, and named by its last.
    assert len(new["order"]) - len(named) in (0, 2)


# --- servers that are stopped, and come back -----------------------------------------------------


@pytest.mark.slow
def test_after_an_outage_all_goes_on_without_a_restart(any_api: Any, small_photo: bytes) -> None:
    api, lab = any_api, any_api.lab
    photo = api.developed(small_photo)
    path, before = api.album(small_photo, small_photo), api.kept()
    processes = {name: lab.services[name].pid for name in ("web", "worker", "beat", "mail")}
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    lab.stop("broker")
    for ask in (
        lambda: api.hand_in(small_photo),
        lambda: api.post(photo["publish"], at=soon),
        lambda: api.post(f"{path}/orders"),
    ):
        answer, seconds = timed(ask)
        expect_503(answer)
        assert seconds < REFUSED_WITHIN
    lab.start("broker")

    def ordered() -> bool:
        return bool(api.post(f"{path}/orders").status_code == 202)  # 503: a dead connection

    wait_until(ordered, "an order to be accepted")
    api.until(path, "SUCCESS", seconds=40)
    left = set(map(tuple, api.kept()["photo"])) - set(map(tuple, before["photo"]))
    assert len(left) <= 1, "the photo that was refused, if it isn't certain that it was"
    assert {name: lab.services[name].pid for name in processes} == processes


@pytest.mark.slow
def test_a_publication_that_waits_in_the_queue_survives_a_restart_of_the_broker(
    api: Any, small_photo: bytes
) -> None:
    photo = api.developed(small_photo)
    api.lab.stop("worker")
    due = datetime.now(UTC) + timedelta(seconds=3)
    order = api.accepted(api.post(photo["publish"], at=due.isoformat()))
    api.lab.stop("broker")
    api.lab.start("broker")
    api.lab.start("worker")
    assert api.until(order, "SUCCESS", seconds=20)["result"]["published"] >= due.timestamp()
