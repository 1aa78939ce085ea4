"""Chapter 2 on real servers: what is its own. (What all chapters answer: test_http_contract.)"""

import io
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
import redis
from PIL import Image

from tests.support.http_contract import expect_problem, paused
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

FinalStatus = Callable[[httpx.Client, str], dict[str, Any]]
STATUS_KEYS = ["id", "task", "state", "result", "error", "print"]
PHOTO_KEYS = ["id", "name", "seconds", "again", "order"]
UNKNOWN = "6a8f12a0-0000-4000-8000-000000000000"


def upload(
    client: httpx.Client, lab: ChapterRun, photo: bytes, name: str = "photo.jpg"
) -> httpx.Response:
    return client.post(f"{lab.url}/photos", files={"photo": (name, photo)})


def order_my_task(client: httpx.Client, lab: ChapterRun) -> httpx.Response:
    return client.post(f"{lab.url}/my-task", data={"arg1": "2", "arg2": "3"})


def list_photos(client: httpx.Client, lab: ChapterRun) -> list[dict[str, Any]]:
    photos: list[dict[str, Any]] = (
        client.get(f"{lab.url}/photos").raise_for_status().json()["photos"]
    )
    return photos


def photo_of(client: httpx.Client, lab: ChapterRun, order: str) -> dict[str, Any]:
    """Return the listed photo whose last order this is."""
    [found] = [
        photo for photo in list_photos(client, lab) if (photo["order"] or {}).get("id") == order
    ]
    return found


def forget_result(lab: ChapterRun, order: str) -> None:
    """Do what a day does: the order is two days old, its result is gone from the backend."""
    with closing(sqlite3.connect(lab.folder / "lab/lab.sqlite")) as database, database:
        change = 'update "order" set placed_at = ? where id = ?'
        database.execute(change, [time.time() - 2 * 86400, order])
    if lab.result_backend.startswith("redis:"):
        assert redis.Redis.from_url(lab.result_backend).delete(f"celery-task-meta-{order}")
        return
    path = urlsplit(lab.result_backend).path.removeprefix("/")
    with closing(sqlite3.connect(path)) as results, results:
        delete = "delete from celery_taskmeta where task_id = ?"
        assert results.execute(delete, [order]).rowcount == 1


@contextmanager
def no_worker(lab: ChapterRun) -> Iterator[None]:
    """Kill the idle worker, wait until it is gone, and start it again after the block."""
    processes = lab.services["worker"].process_tree()
    lab.kill("worker")
    wait_until(lambda: not any(map(lives, processes)), "the worker to be gone")
    yield
    lab.start("worker")


def lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# --- an order's life, on each pair of broker and backend -----------------------------------------


def test_a_photo_is_developed_and_listed(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    answer = upload(client, any_lab, small_photo, "my cat.jpg")
    status = final_status(client, any_lab.url + answer.headers["Location"])
    photo = list_photos(client, any_lab)[0]

    assert answer.status_code == 202
    assert list(status) == STATUS_KEYS
    assert (status["task"], status["state"], status["error"]) == ("tasks.develop", "SUCCESS", None)
    assert status["result"]["seconds"] > 0
    assert list(photo) == PHOTO_KEYS
    assert (photo["name"], photo["seconds"]) == ("my cat.jpg", status["result"]["seconds"])
    assert photo["again"] == f"/photos/{photo['id']}/orders"
    assert photo["order"] == status


def test_the_prints_are_upright_and_have_three_sizes(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    answer = upload(client, lab, small_photo)
    large = final_status(client, lab.url + answer.headers["Location"])["print"]
    sizes = {}
    for name in ("small", "medium", "large"):
        found = client.get(lab.url + large.replace("large", name))
        assert found.headers["Content-Type"] == "image/jpeg"
        sizes[name] = Image.open(io.BytesIO(found.content)).size

    assert sizes == {"small": (360, 480), "medium": (720, 960), "large": (1200, 1600)}


@pytest.mark.slow
def test_an_order_waits_while_no_worker_runs(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    with no_worker(any_lab):
        answer = upload(client, any_lab, small_photo)
        waiting = client.get(any_lab.url + answer.headers["Location"])
        photo = photo_of(client, any_lab, answer.json()["id"])
    nothing = dict.fromkeys(["result", "error", "print"])
    order = {"id": answer.json()["id"], "task": "tasks.develop", "state": "PENDING"}

    assert answer.status_code == 202
    assert waiting.json() == order | nothing
    assert (photo["seconds"], photo["order"]) == (None, waiting.json())
    assert final_status(client, any_lab.url + answer.headers["Location"])["state"] == "SUCCESS"


def test_a_photo_that_cant_be_read_is_not_ordered_again(
    any_lab: ChapterRun, client: httpx.Client, sample_photo: bytes, final_status: FinalStatus
) -> None:
    answer = upload(client, any_lab, sample_photo[: len(sample_photo) // 2])
    status = final_status(client, any_lab.url + answer.headers["Location"])
    photo = photo_of(client, any_lab, answer.json()["id"])
    again = client.post(f"{any_lab.url}/photos/{photo['id']}/orders")

    assert status["error"] == {
        "type": "UnidentifiedImageError",
        "message": "This photo can't be read: the file is damaged.",
    }
    assert photo["order"] == status
    assert photo["again"] is None, "it would fail again"
    expect_problem(again, 410)
    assert "Upload another" in again.json()["detail"]


@pytest.mark.parametrize(
    ("arg1", "arg2", "total"), [("2", "3", 5), ("2.5", "-1", 1.5), ("0", "0", 0)]
)
def test_my_task_adds_two_numbers(
    any_lab: ChapterRun,
    client: httpx.Client,
    final_status: FinalStatus,
    arg1: str,
    arg2: str,
    total: float,
) -> None:
    answer = client.post(f"{any_lab.url}/my-task", data={"arg1": arg1, "arg2": arg2})
    status = final_status(client, any_lab.url + answer.headers["Location"])

    assert answer.status_code == 202
    assert (status["task"], status["result"], status["print"]) == ("tasks.my_task", total, None)


@pytest.mark.slow
def test_success_never_comes_before_the_print(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    for _ in range(10):
        address = lab.url + upload(client, lab, small_photo).headers["Location"]
        while (status := client.get(address).json())["state"] != "SUCCESS":
            assert status["state"] in ("PENDING", "STARTED")
        assert status["print"], "a client that stops at SUCCESS finds the print"
        assert client.get(lab.url + status["print"]).status_code == 200


# --- once more -----------------------------------------------------------------------------------


def test_a_photo_is_developed_again(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    first = upload(client, lab, small_photo).json()
    final_status(client, lab.url + first["status"])
    photo = photo_of(client, lab, first["id"])

    second = client.post(lab.url + photo["again"])
    status = wait_until(
        lambda: (found := client.get(lab.url + second.json()["status"]).json())["result"] and found,
        "the second order's own result",
    )

    assert second.status_code == 202
    assert status["state"] == "SUCCESS"
    assert second.json()["id"] != first["id"]
    assert photo_of(client, lab, second.json()["id"])["id"] == photo["id"], "one photo, two orders"
    assert client.get(lab.url + first["status"]).json()["state"] == "SUCCESS"


def test_an_order_to_develop_again_waits_like_any_other(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    first = upload(client, lab, small_photo).json()
    final_status(client, lab.url + first["status"])
    photo = photo_of(client, lab, first["id"])
    with paused(lab, "worker"):
        second = client.post(lab.url + photo["again"]).json()
        status = client.get(lab.url + second["status"]).json()
        first_now = client.get(lab.url + first["status"]).json()

    assert (status["state"], status["print"]) == ("PENDING", None)
    assert first_now["state"] == "SUCCESS"
    assert first_now["print"], "the print of the first order is still there"
    assert final_status(client, lab.url + second["status"])["result"]["seconds"] > 0


@pytest.mark.parametrize("unknown", [UNKNOWN, "nonsense", "..%2F..%2Flab.sqlite"])
def test_a_photo_that_was_never_uploaded_is_404(
    lab: ChapterRun, client: httpx.Client, unknown: str
) -> None:
    expect_problem(client.post(f"{lab.url}/photos/{unknown}/orders"), 404)
    expect_problem(client.get(f"{lab.url}/prints/{UNKNOWN}/{unknown}.jpg"), 404)


# --- the list ------------------------------------------------------------------------------------


def test_the_list_begins_with_the_newest(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    names = ["one.jpg", "two.jpg", "three.jpg"]
    for name in names:
        upload(client, lab, small_photo, name)
    order_my_task(client, lab)
    photos = list_photos(client, lab)

    assert [photo["name"] for photo in photos[:3]] == names[::-1]
    assert {tuple(photo) for photo in photos} == {tuple(PHOTO_KEYS)}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("../../../evil.jpg", id="path"),
        pytest.param("/etc/evil.jpg", id="absolute"),
        pytest.param("evil" * 1500, id="long"),
        pytest.param("<script>evil()</script>", id="script"),
        pytest.param("'); drop table photo; -- evil", id="sql"),
        pytest.param("évil ☃.jpg", id="unicode"),
    ],
)
def test_a_visitors_file_name_is_shown_and_never_used(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus, name: str
) -> None:
    answer = upload(client, lab, small_photo, name)
    final_status(client, lab.url + answer.headers["Location"])
    photo = photo_of(client, lab, answer.json()["id"])
    written = {path for path in Path(lab.folder.parent).rglob("*") if photo["id"] in str(path)}
    prints = lab.folder / "lab/prints" / photo["id"]

    assert photo["name"] == name
    assert name not in client.get(f"{lab.url}/").text, "it comes as JSON only"
    assert written == {
        lab.folder / "lab/photos" / photo["id"],
        prints,
        *(prints / f"{size}.jpg" for size in ("small", "medium", "large")),
    }
    assert not [path for path in lab.folder.parent.rglob("*") if "vil" in path.name]


# --- results expire ------------------------------------------------------------------------------


def test_results_expire(lab: ChapterRun, client: httpx.Client, final_status: FinalStatus) -> None:
    order = order_my_task(client, lab).json()
    final_status(client, lab.url + order["status"])
    seconds_left = redis.Redis.from_url(lab.result_backend).ttl(f"celery-task-meta-{order['id']}")

    assert isinstance(seconds_left, int)
    assert 86300 < seconds_left <= 86400


def test_an_expired_result_is_gone_unless_its_print_is_there(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    half = small_photo[: len(small_photo) // 2]
    printed = upload(client, any_lab, small_photo).json()
    failed = upload(client, any_lab, half, "half.jpg").json()
    for order in (printed, failed):
        final_status(client, any_lab.url + order["status"])
        forget_result(any_lab, order["id"])
    status = client.get(any_lab.url + printed["status"]).json()
    [half_listed] = [
        photo for photo in list_photos(client, any_lab)[:2] if photo["name"] == "half.jpg"
    ]

    assert (status["state"], status["result"]) == ("SUCCESS", None)
    assert photo_of(client, any_lab, printed["id"])["order"] == status
    expect_problem(client.get(any_lab.url + failed["status"]), 410)
    assert half_listed["order"] is None


@pytest.mark.slow
def test_an_order_that_waited_too_long_says_so(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    with no_worker(lab):
        address = lab.url + upload(client, lab, small_photo).headers["Location"]
        broker = redis.Redis.from_url(lab.broker_url, decode_responses=True)
        message = str(broker.lindex("photos", 0))
        long_ago = re.sub(r'"expires": "\d{4}', '"expires": "2001', message)
        broker.lset("photos", 0, long_ago)
    status = wait_until(
        lambda: (found := client.get(address).json())["state"] != "PENDING" and found,
        "the worker to look at it",
    )

    assert long_ago != message
    assert status["state"] == "REVOKED"
    assert status["error"]["type"] == "TaskRevokedError"
