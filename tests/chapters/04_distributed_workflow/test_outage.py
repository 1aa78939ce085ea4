"""Broker or result backend gone: a 503 soon, and what was refused leaves an album as it was."""

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from celery.signals import after_task_publish

from tests.support.outages import (
    REFUSED_WITHIN,
    SILENT_WITHIN,
    WAYS,
    expect_503,
    served,
    timed,
)
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

PHOTO, ALBUM, PUBLISHING = (f"6a8f12a0-0000-4000-8000-00000000000{n}" for n in range(1, 4))
WEB = (
    "flask --app lab init-db && exec waitress-serve --threads=4 "
    "--listen=127.0.0.1:{port} --call lab:create_app"
)
Rows = dict[str, list[Any]]


def kept(folder: Path) -> Rows:
    """Return what a lab's folder holds."""
    with closing(sqlite3.connect(folder / "lab.sqlite", timeout=10)) as database:
        return {
            table: database.execute(f'select * from "{table}" order by id').fetchall()
            for table in ("photo", "album", "order")
        }


def fill(folder: Path, photo: bytes) -> None:
    """Bring an album of one photo, which is developed, and whose first order is underway."""
    (folder / "photos").mkdir()
    (folder / "photos" / PHOTO).write_bytes(photo)
    (folder / "prints" / PHOTO).mkdir(parents=True)
    (folder / "prints" / PHOTO / "large.jpg").write_bytes(photo)
    rows = {
        "album (id, name, created_at)": [ALBUM, "Summer", time.time()],
        "photo (id, name, uploaded_at, album_id)": [PHOTO, "photo.jpg", time.time(), ALBUM],
        '"order" (id, task, placed_at, album_id, workflow_id, position)': [
            *(PUBLISHING, "tasks.publish_album", time.time(), ALBUM),
            *("a workflow", 0),
        ],
    }
    with closing(sqlite3.connect(folder / "lab.sqlite")) as database, database:
        for table, values in rows.items():
            marks = ", ".join("?" * len(values))
            database.execute(f"insert into {table} values ({marks})", values)


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
    """Serve a lab that has an album, while a part is gone; return its address."""
    with served(lab, WEB, tmp_path, broker, part, way) as address:
        fill(tmp_path, small_photo)
        client.get(address)  # the first client waits for imports, too
        expect_503(client.post(f"{address}/albums/{ALBUM}/zip"))
        yield address


CASES = [
    pytest.param(*case, way, id="-".join([*case, way]))
    for case in (("redis", "backend"), ("redis", "broker"), ("rabbitmq", "broker"))
    for way in WAYS
    if way != "drops" or sys.platform == "linux"  # only Linux drops these
]


@pytest.mark.slow  # the contract has the two that people meet
@pytest.mark.parametrize(("broker", "part", "way"), CASES)
def test_an_outage_is_said_in_time_and_what_was_refused_leaves_nothing(
    web: str, client: httpx.Client, tmp_path: Path, broker: str, part: str, way: str
) -> None:
    limit = SILENT_WITHIN if way == "is silent" else REFUSED_WITHIN
    before = kept(tmp_path)
    orders: list[Callable[[], httpx.Response]] = [
        lambda: client.post(f"{web}/albums/{ALBUM}/orders"),
        lambda: client.post(f"{web}/albums/{ALBUM}/zip"),
    ]
    looks: list[Callable[[], httpx.Response]] = [
        lambda: client.get(f"{web}/albums"),
        lambda: client.get(f"{web}/tasks/{PUBLISHING}"),
    ]
    with ThreadPoolExecutor() as pool:  # as many clients as the server has threads
        ordered, looked = list(pool.map(timed, orders)), list(pool.map(timed, looks))

    for answer, seconds in [*ordered, *looked]:
        assert seconds < limit, answer.request.url
    for answer, _ in ordered:
        expect_503(answer)
    for answer, _ in looked:
        if part == "backend":
            expect_503(answer)
        else:
            assert answer.status_code == 200
    said = "".join(answer.text for answer, _ in ordered)
    if "It may have your order" not in said:
        assert kept(tmp_path) == before, "definitely refused, so nothing is left"
    assert kept(tmp_path)["photo"] == before["photo"]
    assert client.get(web).status_code == 200, "the page needs neither"


@pytest.mark.slow
@pytest.mark.parametrize(("broker", "part", "way"), CASES)
def test_a_cancelled_album_is_noted_though_nobody_can_be_told(
    web: str, client: httpx.Client, tmp_path: Path, broker: str, part: str, way: str
) -> None:
    answer, seconds = timed(lambda: client.delete(f"{web}/albums/{ALBUM}/orders"))
    cancelled = [order for order in kept(tmp_path)["order"] if order[3] is not None]

    assert seconds < (SILENT_WITHIN if way == "is silent" else REFUSED_WITHIN)
    if part == "backend":  # nobody knows whether there is anything to cancel
        expect_503(answer)
        assert cancelled == []
    else:
        assert (answer.status_code, answer.json()["state"]) == (202, "REVOKED")
        assert [order[0] for order in cancelled] == [PUBLISHING]


def test_a_refused_order_leaves_a_published_album_as_it_was(api: Any, small_photo: bytes) -> None:
    before = api.published(small_photo)
    album = f"/albums/{before['id']}"
    api.lab.stop("broker")
    expect_503(api.post(f"{album}/orders"))
    api.lab.start_all()
    after = wait_until(lambda: api.get(album), "the album")

    assert (after["state"], after["result"]) == (before["state"], before["result"])
    assert [part["id"] for part in after["orders"]] == [part["id"] for part in before["orders"]]


@pytest.mark.slow
def test_an_album_of_which_half_was_sent_isnt_on_order(
    api: Any, small_photo: bytes, package: ModuleType
) -> None:
    """The broker is gone after the first photo's message: the answer claims no more than is so."""
    album = api.new_album(small_photo, small_photo)
    api.end_worker()
    before = api.kept()
    urls = {"broker_url": api.lab.broker_url, "result_backend": api.lab.result_backend}
    app = package.create_app({"DIR": api.lab.folder / "lab", "CELERY": urls})

    def end_broker(**_: object) -> None:
        api.lab.stop("broker")

    after_task_publish.connect(end_broker)
    try:
        answer = app.test_client().post(f"{album}/orders")
    finally:
        after_task_publish.disconnect(end_broker)
    kept = api.kept()
    api.lab.start_all()

    assert answer.status_code == 503
    assert "Your order wasn't taken" in answer.json["detail"]
    assert kept == before
    assert api.get(album)["orders"] == []
    wait_until(lambda: api.post(f"{album}/orders").status_code == 202, "an order to be accepted")
    assert api.finished(album, seconds=60)["state"] == "SUCCESS"


@pytest.mark.slow
def test_after_an_outage_all_goes_on_without_a_restart(any_api: Any, small_photo: bytes) -> None:
    api = any_api
    album = api.new_album(small_photo, small_photo)
    other = api.new_album(small_photo)  # the connection of its order will be a dead one
    # And the lab may come from another test's outage.
    wait_until(lambda: api.post(f"{other}/orders").status_code == 202, "an order to be accepted")
    api.finished(other, seconds=60)
    processes = {name: api.lab.services[name].pid for name in ("web", "worker")}
    api.lab.stop("broker")
    answer, seconds = timed(lambda: api.post(f"{album}/orders"))
    api.lab.start("broker")

    expect_503(answer)
    assert seconds < REFUSED_WITHIN
    wait_until(lambda: api.post(f"{album}/orders").status_code == 202, "an order to be accepted")
    api.until(album, "SUCCESS", seconds=60)
    assert {name: api.lab.services[name].pid for name in processes} == processes
