"""Broker or result backend down: a 503 soon, nothing lost, and back without a restart."""

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.outages import REFUSED_WITHIN, SILENT_WITHIN, WAYS, expect_503, served, timed
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

FinalStatus = Callable[[httpx.Client, str], dict[str, Any]]
PHOTO = "6a8f12a0-0000-4000-8000-000000000001"
ORDER = "6a8f12a0-0000-4000-8000-000000000002"


def expect_503_within(seconds: float, ask: Callable[[], httpx.Response]) -> str:
    answer, passed = timed(ask)
    expect_503(answer)
    assert passed < seconds
    return answer.text


def kept(folder: Path) -> tuple[set[str], set[str], set[str]]:
    """Return what a lab's folder holds: ids of photos as files, as rows; ids of orders."""
    with closing(sqlite3.connect(folder / "lab.sqlite")) as database:
        photos = {row[0] for row in database.execute("select id from photo")}
        orders = {row[0] for row in database.execute('select id from "order"')}
    files = {path.name for path in folder.glob("photos/*")}
    return files, photos, orders


def expect_only_named_orders(
    before: tuple[set[str], set[str], set[str]],
    after: tuple[set[str], set[str], set[str]],
    said: str,
) -> None:
    """Check that nothing is left but orders that may have left us, which the answer names."""
    files, photos, orders = (now - then for then, now in zip(before, after, strict=True))
    assert files == photos
    assert len(photos) <= len(orders)
    for order in orders:
        assert f"It may have your order: see /tasks/{order} first" in said
    assert said.count("It may have your order") == len(orders)
    assert [then <= now for then, now in zip(before, after, strict=True)] == [True] * 3


class LabApi:
    """What a client of one lab can ask, once one photo is developed."""

    def __init__(
        self, client: httpx.Client, lab: ChapterRun, photo: bytes, final_status: FinalStatus
    ) -> None:
        self.client, self.url, self.photo, self.final_status = client, lab.url, photo, final_status
        self.order_address = self.url + wait_until(self.accepted, "an order to be accepted")
        final_status(client, self.order_address)
        first = self.photos().json()["photos"][0]
        self.again_address = self.url + first["again"]

    def accepted(self) -> str:
        """Upload; another test may have left a dead connection, over which it is a 503."""
        return str(self.upload().headers.get("Location", ""))

    def upload(self) -> httpx.Response:
        return self.client.post(f"{self.url}/photos", files={"photo": self.photo})

    def again(self) -> httpx.Response:
        return self.client.post(self.again_address)

    def status(self) -> httpx.Response:
        return self.client.get(self.order_address)

    def photos(self) -> httpx.Response:
        return self.client.get(f"{self.url}/photos")

    def page(self) -> httpx.Response:
        return self.client.get(f"{self.url}/")

    def expect_orders_succeed(self) -> None:
        """Check that both ways to order work, to their end."""
        for order in (self.upload, self.again):
            answer = order()
            assert answer.status_code == 202
            assert self.final_status(self.client, self.url + answer.json()["status"])["state"] == (
                "SUCCESS"
            )
        assert self.status().json()["state"] == "SUCCESS"
        assert self.photos().status_code == 200


@contextmanager
def outage(lab: ChapterRun, server: str, way: str) -> Iterator[None]:
    """Stop a server, or pause it; and bring it back."""
    processes = lab.services[server].process_tree()
    if way == "stopped":
        lab.stop(server)
    else:
        for process in processes:
            process.suspend()
    try:
        yield
    finally:
        if way == "stopped":
            lab.start(server)
        else:
            for process in processes:
                process.resume()


# --- servers that are stopped, paused, and come back ---------------------------------------------


@pytest.mark.slow
def test_a_stopped_broker_is_a_503_that_leaves_nothing_and_recovers(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    lab = any_lab
    api = LabApi(client, lab, small_photo, final_status)  # its connection will be a dead one
    web, before = lab.services["web"].pid, kept(lab.folder / "lab")
    lab.stop("broker")
    said = ""
    for order in (api.upload, api.again, api.upload, api.again):
        said += expect_503_within(REFUSED_WITHIN, order)
    assert "Your order wasn't taken" in said
    expect_only_named_orders(before, kept(lab.folder / "lab"), said)

    for look in (api.status, api.photos):
        if lab.result_backend.startswith(lab.broker_url.removesuffix("/0")):
            expect_503_within(REFUSED_WITHIN, look)  # it was the backend, too
        else:
            answer, seconds = timed(look)
            assert answer.status_code == 200
            assert seconds < REFUSED_WITHIN
    assert api.page().status_code == 200, "the page itself needs no broker"

    lab.start("broker")
    api.expect_orders_succeed()
    assert lab.services["web"].pid == web, "without a restart"


@pytest.mark.slow
def test_the_list_answers_while_orders_are_refused(
    database_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    api = LabApi(client, database_lab, small_photo, final_status)
    with outage(database_lab, "broker", "stopped"), ThreadPoolExecutor() as pool:
        refused = [pool.submit(api.upload) for _ in range(80)]
        looks = []
        while not all(order.done() for order in refused):
            looks.append(api.photos().status_code)
    assert {order.result().status_code for order in refused} == {503}
    assert set(looks) == {200}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["stopped", "paused"])
def test_without_a_backend_an_order_is_refused_or_kept_but_never_lost(
    labs: Callable[[str, str], ChapterRun],
    client: httpx.Client,
    small_photo: bytes,
    final_status: FinalStatus,
    way: str,
) -> None:
    """A connection that was alive a moment ago may take its time to notice: the queue is there."""
    lab = labs("rabbitmq", "redis")
    limit = REFUSED_WITHIN if way == "stopped" else SILENT_WITHIN
    api = LabApi(client, lab, small_photo, final_status)
    before = kept(lab.folder / "lab")
    accepted = []
    with outage(lab, "backend", way):
        for order in (api.upload, api.again) * 4:
            answer, seconds = timed(order)
            assert seconds < limit
            if answer.status_code == 202:
                accepted.append(answer.json()["id"])
            else:
                expect_503(answer)
                assert "Your order wasn't taken" in answer.text
        now = kept(lab.folder / "lab")
        files, photos, orders = (new - old for old, new in zip(before, now, strict=True))
        assert orders == set(accepted)
        assert files == photos
        for look in (api.status, api.photos):
            assert "result backend" in expect_503_within(limit, look)
        assert api.page().status_code == 200
    for found in accepted:
        assert final_status(client, f"{lab.url}/tasks/{found}")["state"] == "SUCCESS"
    api.expect_orders_succeed()


@pytest.mark.slow  # chapter 1 proves the same settings each time
def test_a_paused_broker_is_a_503_and_recovers(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    api = LabApi(client, lab, small_photo, final_status)
    before = kept(lab.folder / "lab")
    with outage(lab, "broker", "paused"), ThreadPoolExecutor() as pool:
        asked = [api.upload, api.again, api.status, api.photos]
        answers = list(pool.map(timed, asked))
    for answer, seconds in answers:
        expect_503(answer)
        assert seconds < SILENT_WITHIN
    said = "".join(answer.text for answer, _ in answers)
    expect_only_named_orders(before, kept(lab.folder / "lab"), said)
    api.expect_orders_succeed()


# --- a database for results that can't be read ---------------------------------------------------


@contextmanager
def unreadable(lab: ChapterRun, way: str) -> Iterator[None]:
    """Put something in the place of the database for results that isn't one."""
    path = Path(urlsplit(lab.result_backend).path.removeprefix("/"))
    moved = path.with_name("moved")
    path.rename(moved)
    try:
        if way == "garbage":
            path.write_bytes(b"This is not a database.\n" * 100)
        else:
            path.mkdir()
        yield
    finally:
        path.unlink() if way == "garbage" else path.rmdir()
        moved.rename(path)


each_way = pytest.mark.parametrize("way", ["garbage", "directory"])


@each_way
@pytest.mark.slow
def test_an_unreadable_database_for_results_is_a_503_and_recovers(
    database_lab: ChapterRun,
    client: httpx.Client,
    small_photo: bytes,
    final_status: FinalStatus,
    way: str,
) -> None:
    api = LabApi(client, database_lab, small_photo, final_status)
    for _ in range(4):  # each of the server's threads has opened it once
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda _: api.status().raise_for_status(), range(8)))
    with unreadable(database_lab, way):
        for look in (api.status, api.photos):
            assert "result backend" in expect_503_within(REFUSED_WITHIN, look)
        assert api.page().status_code == 200
    api.expect_orders_succeed()


@pytest.mark.slow
@each_way
def test_a_server_that_starts_without_a_database_for_results_says_so_in_time(
    database_lab: ChapterRun,
    client: httpx.Client,
    small_photo: bytes,
    final_status: FinalStatus,
    way: str,
) -> None:
    api = LabApi(client, database_lab, small_photo, final_status)
    database_lab.stop("web")
    with unreadable(database_lab, way):
        database_lab.start("web")
        before = kept(database_lab.folder / "lab")
        with ThreadPoolExecutor() as pool:
            ordered, *looked = list(pool.map(timed, [api.upload, api.status, api.photos]))
        answer, seconds = ordered
        assert seconds < REFUSED_WITHIN
        if answer.status_code != 202:  # the queue is there, and could take it
            expect_503(answer)
            assert kept(database_lab.folder / "lab") == before
        for answer, seconds in looked:
            expect_503(answer)
            assert seconds < SILENT_WITHIN, "Celery tries eleven times to make its tables"
    api.expect_orders_succeed()


# --- each kind of outage, of broker and of backend, alone ---------------------------------------

WEB = (
    "flask --app lab init-db && exec waitress-serve --threads=4 "
    "--listen=127.0.0.1:{port} --call lab:create_app"
)


@pytest.fixture
def web(
    labs: Callable[[str, str], ChapterRun],
    small_photo: bytes,
    broker: str,
    part: str,
    way: str,
    tmp_path: Path,
) -> Iterator[str]:
    """Serve a lab that has one order, during an outage of a part; return its address."""
    with served(labs("redis", "redis"), WEB, tmp_path, broker, part, way) as address:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / PHOTO).write_bytes(small_photo)
        with closing(sqlite3.connect(tmp_path / "lab.sqlite")) as database, database:
            database.execute(
                "insert into photo (id, name, uploaded_at) values (?, ?, ?)",
                [PHOTO, "photo.jpg", time.time()],
            )
            database.execute(
                'insert into "order" (id, task, placed_at, photo_id) values (?, ?, ?, ?)',
                [ORDER, "tasks.develop", time.time(), PHOTO],
            )
        yield address


CASES = [
    pytest.param(*case, way, id="-".join([*case, way]))
    for case in (("redis", "backend"), ("redis", "broker"), ("rabbitmq", "broker"))
    for way in WAYS
    if way != "drops" or sys.platform == "linux"  # only Linux drops these
]


@pytest.mark.slow
@pytest.mark.parametrize(("broker", "part", "way"), CASES)
def test_an_outage_is_said_in_time_and_leaves_nothing(
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
    asked: list[Callable[[], httpx.Response]] = [
        lambda: client.post(f"{web}/photos", files={"photo": small_photo}),
        lambda: client.post(f"{web}/photos/{PHOTO}/orders"),
        lambda: client.post(f"{web}/my-task", data={"arg1": 1, "arg2": 2}),
        lambda: client.get(f"{web}/tasks/{ORDER}"),
        lambda: client.get(f"{web}/photos"),
    ]
    orders, looks = asked[:3], asked[3:]
    with ThreadPoolExecutor() as pool:  # as many visitors as the server has threads
        answers = [*pool.map(timed, orders), *pool.map(timed, looks)]
    for answer, seconds in answers:
        assert seconds < limit
        if part == "backend" or answer.request.method == "POST":
            expect_503(answer)
        else:
            assert answer.status_code == 200
            assert "PENDING" in answer.text
    said = "".join(answer.text for answer, _ in answers)
    expect_only_named_orders(before, kept(tmp_path), said)
    assert kept(tmp_path) == before, (
        "there was no connection, so nothing was sent, and nothing is left"
    )
    assert PHOTO in kept(tmp_path)[0], "the photo that was there is still there"
