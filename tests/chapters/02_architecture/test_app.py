"""Chapter 2 from outside, on real servers: what each request is answered."""

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

from tests.support.bad_uploads import BAD_UPLOADS
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

FinalStatus = Callable[[httpx.Client, str], dict[str, Any]]
STATUS_KEYS = ["id", "task", "state", "result", "error", "print"]
CARD_KEYS = ["id", "name", "seconds", "again", "order"]
UNKNOWN = "6a8f12a0-0000-4000-8000-000000000000"
UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def hand_in(
    client: httpx.Client, lab: ChapterRun, photo: bytes, name: str = "photo.jpg"
) -> httpx.Response:
    return client.post(f"{lab.url}/photos", files={"photo": (name, photo)})


def add(client: httpx.Client, lab: ChapterRun) -> httpx.Response:
    return client.post(f"{lab.url}/my-task", data={"arg1": "2", "arg2": "3"})


def gallery(client: httpx.Client, lab: ChapterRun) -> list[dict[str, Any]]:
    answer = client.get(f"{lab.url}/photos")
    assert answer.status_code == 200
    assert list(answer.json()) == ["photos"]
    photos: list[dict[str, Any]] = answer.json()["photos"]
    return photos


def card(client: httpx.Client, lab: ChapterRun, order: str) -> dict[str, Any]:
    """Return the gallery's entry for the photo whose last order this is."""
    shown = [found for found in gallery(client, lab) if (found["order"] or {}).get("id") == order]
    assert len(shown) == 1
    return shown[0]


def query(lab: ChapterRun, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask the lab's own database."""
    with closing(sqlite3.connect(lab.folder / "lab/lab.sqlite")) as database, database:
        return database.execute(sql, values).fetchall()


def kept(lab: ChapterRun) -> dict[str, list[Any]]:
    """Return what the lab keeps of what visitors bring: its files and its rows."""
    files = (path for path in (lab.folder / "lab").rglob("*") if path.is_file())
    ours = ("prints", "lab.sqlite", "lab.sqlite-journal")
    return {
        "files": sorted(
            path for path in files if path.relative_to(lab.folder).parts[1] not in ours
        ),
        "photos": query(lab, "select id from photo order by id"),
        "orders": query(lab, 'select id from "order" order by id'),
    }


def forget_result(lab: ChapterRun, order: str) -> None:
    """Do what a day does: the order is two days old, and its result is gone from the backend."""
    query(lab, 'update "order" set placed = ? where id = ?', time.time() - 2 * 86400, order)
    if lab.result_backend.startswith("redis:"):
        assert redis.Redis.from_url(lab.result_backend).delete(f"celery-task-meta-{order}")
    else:
        path = urlsplit(lab.result_backend).path.removeprefix("/")
        with closing(sqlite3.connect(path)) as results, results:
            sql = "delete from celery_taskmeta where task_id = ?"
            assert results.execute(sql, [order]).rowcount == 1


def end_worker(lab: ChapterRun) -> None:
    """End an idle worker, and wait until it is gone: a dying one may still take a message."""
    processes = lab.services["worker"].process_tree()
    lab.kill("worker")  # sooner done than stopped
    wait_until(lambda: not any(map(lives, processes)), "the worker to be gone")


def lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def paused_worker(lab: ChapterRun) -> Iterator[None]:
    """Let the worker do nothing for a while."""
    processes = lab.services["worker"].process_tree()
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


# --- an order's life -----------------------------------------------------------------------------


def test_an_order_is_accepted_developed_and_handed_out(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    answer = hand_in(client, any_lab, small_photo, "my cat.jpg")
    assert answer.status_code == 202
    address = answer.headers["Location"]
    order = address.removeprefix("/tasks/")
    assert answer.json() == {"id": order, "status": address}

    status = final_status(client, any_lab.url + address)
    assert list(status) == STATUS_KEYS
    assert (status["id"], status["task"]) == (order, "tasks.develop")
    assert status["state"] == "SUCCESS"
    assert list(status["result"]) == ["seconds"]
    assert status["result"]["seconds"] > 0
    assert status["error"] is None

    large = status["print"]
    for size, (width, height) in {
        "small": (360, 480),
        "medium": (720, 960),
        "large": (1200, 1600),
    }.items():
        answer = client.get(any_lab.url + large.replace("large", size))
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).size == (width, height), "upright"

    shown = gallery(client, any_lab)[0]
    assert list(shown) == CARD_KEYS
    assert shown["name"] == "my cat.jpg"
    assert shown["seconds"] == status["result"]["seconds"]
    assert shown["again"] == f"/photos/{shown['id']}/orders"
    assert shown["order"] == status


@pytest.mark.slow
def test_an_order_waits_while_no_worker_runs(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    end_worker(any_lab)
    answer = hand_in(client, any_lab, small_photo)
    assert answer.status_code == 202
    waiting = client.get(any_lab.url + answer.headers["Location"])
    assert waiting.status_code == 200
    assert waiting.json() == {
        "id": answer.json()["id"],
        "task": "tasks.develop",
        "state": "PENDING",
        "result": None,
        "error": None,
        "print": None,
    }
    shown = card(client, any_lab, answer.json()["id"])
    assert shown["seconds"] is None
    assert shown["order"] == waiting.json()
    any_lab.start("worker")
    assert final_status(client, any_lab.url + answer.headers["Location"])["state"] == "SUCCESS"


def test_a_failed_task_is_an_answer_without_traceback(
    any_lab: ChapterRun, client: httpx.Client, sample_photo: bytes, final_status: FinalStatus
) -> None:
    answer = hand_in(client, any_lab, sample_photo[: len(sample_photo) // 2])
    assert answer.status_code == 202
    status = final_status(client, any_lab.url + answer.headers["Location"])
    assert list(status) == STATUS_KEYS
    assert status["state"] == "FAILURE"
    assert (status["result"], status["print"]) == (None, None)
    assert list(status["error"]) == ["type", "message"]
    assert status["error"]["type"] == "UnidentifiedImageError"
    assert "truncated" in status["error"]["message"]
    assert "Traceback" not in str(status)

    shown = card(client, any_lab, answer.json()["id"])
    assert shown["order"] == status
    assert shown["again"] is None, "it would fail again"
    answer = client.post(f"{any_lab.url}/photos/{shown['id']}/orders")
    assert answer.status_code == 410
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Hand in another" in answer.json()["detail"]


def test_a_photo_is_developed_again(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    first = hand_in(client, lab, small_photo)
    final_status(client, lab.url + first.headers["Location"])
    photo = card(client, lab, first.json()["id"])

    second = client.post(lab.url + photo["again"])
    assert second.status_code == 202
    assert second.headers["Location"] == second.json()["status"] == f"/tasks/{second.json()['id']}"
    assert second.json()["id"] != first.json()["id"]
    wait_until(
        lambda: client.get(lab.url + second.json()["status"]).json()["result"],
        "the second order's own result",
    )
    assert final_status(client, lab.url + second.json()["status"])["state"] == "SUCCESS"

    again = card(client, lab, second.json()["id"])
    assert again["id"] == photo["id"], "one photo, whose last order is shown"
    assert final_status(client, lab.url + first.json()["status"])["state"] == "SUCCESS"


def test_an_order_to_develop_again_waits_like_any_other(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    first = hand_in(client, lab, small_photo)
    final_status(client, lab.url + first.headers["Location"])
    photo = card(client, lab, first.json()["id"])
    with paused_worker(lab):
        second = client.post(lab.url + photo["again"])
        assert second.status_code == 202
        assert client.get(lab.url + second.headers["Location"]).json()["state"] == "PENDING"
        assert card(client, lab, second.json()["id"])["order"]["state"] == "PENDING"
        first_now = client.get(lab.url + first.headers["Location"]).json()
        assert first_now["state"] == "SUCCESS"
        assert first_now["print"], "the print of the first order is still handed out"
    assert final_status(client, lab.url + second.headers["Location"])["result"]["seconds"] > 0


def test_success_never_comes_before_the_print(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    for _ in range(10):
        address = lab.url + hand_in(client, lab, small_photo).headers["Location"]
        while (status := client.get(address).json())["state"] != "SUCCESS":
            assert status["state"] in ("PENDING", "STARTED")
        assert status["print"], "a client that stops at SUCCESS finds the print"
        assert client.get(lab.url + status["print"]).status_code == 200


def test_the_gallery_shows_the_newest_first(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    names = ["one.jpg", "two.jpg", "three.jpg"]
    for name in names:
        assert hand_in(client, lab, small_photo, name).status_code == 202
    assert add(client, lab).status_code == 202
    shown = gallery(client, lab)
    assert [found["name"] for found in shown[:3]] == names[::-1]
    for found in shown:
        assert list(found) == CARD_KEYS
        assert list(found["order"] or STATUS_KEYS) == STATUS_KEYS


# --- results expire ------------------------------------------------------------------------------


def test_an_expired_result_is_gone_unless_its_print_is_there(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    printed = hand_in(client, any_lab, small_photo).json()
    failed = hand_in(client, any_lab, small_photo[: len(small_photo) // 2], "half.jpg").json()
    number = add(client, any_lab).json()
    for order in (printed, failed, number):
        final_status(client, any_lab.url + order["status"])
        forget_result(any_lab, order["id"])

    status = client.get(any_lab.url + printed["status"])
    assert status.status_code == 200
    assert list(status.json()) == STATUS_KEYS
    assert (status.json()["state"], status.json()["result"]) == ("SUCCESS", None)
    assert client.get(any_lab.url + status.json()["print"]).status_code == 200
    assert card(client, any_lab, printed["id"])["order"] == status.json()

    for order in (failed, number):
        gone = client.get(any_lab.url + order["status"])
        assert gone.status_code == 410
        assert gone.headers["Content-Type"] == "application/problem+json"
    half = next(found for found in gallery(client, any_lab) if found["name"] == "half.jpg")
    assert half["order"] is None


def test_results_expire(lab: ChapterRun, client: httpx.Client, final_status: FinalStatus) -> None:
    answer = add(client, lab)
    final_status(client, lab.url + answer.headers["Location"])
    backend = redis.Redis.from_url(lab.result_backend)
    seconds_left = backend.ttl(f"celery-task-meta-{answer.json()['id']}")
    assert isinstance(seconds_left, int)
    assert 86300 < seconds_left <= 86400


@pytest.mark.slow
def test_an_order_that_waited_too_long_says_so(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    end_worker(lab)
    address = lab.url + hand_in(client, lab, small_photo).headers["Location"]
    broker = redis.Redis.from_url(lab.broker_url, decode_responses=True)
    message = str(broker.lindex("lab", 0))
    long_ago = re.sub(r'"expires": "\d{4}', '"expires": "2001', message)
    assert long_ago != message
    broker.lset("lab", 0, long_ago)
    lab.start("worker")
    status = wait_until(
        lambda: (found := client.get(address).json())["state"] != "PENDING" and found,
        "the worker to look at it",
    )
    assert status["state"] == "REVOKED"
    assert status["error"]["type"] == "TaskRevokedError"


# --- ids -----------------------------------------------------------------------------------------


def test_ids_cant_be_guessed(lab: ChapterRun, client: httpx.Client, small_photo: bytes) -> None:
    orders = {hand_in(client, lab, small_photo).json()["id"] for _ in range(3)}
    photos = {found["id"] for found in gallery(client, lab)[:3]}
    assert len(orders | photos) == 6
    for found in orders | photos:
        assert re.fullmatch(UUID4, found)


@pytest.mark.parametrize("unknown", [UNKNOWN, "nonsense", "..%2F..%2Flab.sqlite"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tasks/{}"),
        ("POST", "/photos/{}/orders"),
        ("GET", "/prints/{}/large.jpg"),
        ("GET", f"/prints/{UNKNOWN}/{{}}.jpg"),
    ],
)
def test_an_id_that_was_never_issued_is_not_found(
    lab: ChapterRun, client: httpx.Client, method: str, path: str, unknown: str
) -> None:
    before = kept(lab)
    answer = client.request(method, lab.url + path.format(unknown))
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert list(answer.json()) == ["title", "status", "detail"]
    assert answer.json()["status"] == 404
    assert kept(lab) == before


@pytest.mark.parametrize(
    ("method", "path"), [("GET", f"/tasks/{UNKNOWN}"), ("POST", f"/photos/{UNKNOWN}/orders")]
)
def test_a_browser_gets_a_page_that_says_the_same(
    lab: ChapterRun, client: httpx.Client, method: str, path: str
) -> None:
    problem = client.request(method, lab.url + path).json()
    page = client.request(
        method, lab.url + path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    )
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert problem["detail"] in page.text


# --- the article's task --------------------------------------------------------------------------


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
    assert answer.status_code == 202
    assert answer.headers["Location"] == answer.json()["status"]
    status = final_status(client, any_lab.url + answer.headers["Location"])
    assert list(status) == STATUS_KEYS
    assert (status["task"], status["result"], status["print"]) == ("tasks.my_task", total, None)


@pytest.mark.parametrize(
    "arg1", ["", "two", "nan", "inf", "1e400", "9" * 5000, "0x10", "1_000", "²"]
)
def test_my_task_wants_numbers(lab: ChapterRun, client: httpx.Client, arg1: str) -> None:
    before = kept(lab)
    answer = client.post(f"{lab.url}/my-task", data={"arg1": arg1, "arg2": "3"})
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "'arg1' is a number" in answer.json()["detail"]
    assert kept(lab) == before


def test_my_task_wants_a_form(lab: ChapterRun, client: httpx.Client) -> None:
    assert client.post(f"{lab.url}/my-task", json={"arg1": 1, "arg2": 2}).status_code == 422
    assert client.post(f"{lab.url}/my-task", content=b"{").status_code == 422
    assert client.get(f"{lab.url}/my-task").status_code == 405


# --- rubbish -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("content", "status", "says"), BAD_UPLOADS)
def test_what_isnt_a_photo_is_refused_and_leaves_nothing(
    lab: ChapterRun, client: httpx.Client, content: bytes, status: int, says: str
) -> None:
    before = kept(lab)
    answer = hand_in(client, lab, content)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert says in answer.json()["detail"]
    assert kept(lab) == before


def test_a_request_without_a_photo_is_refused_and_leaves_nothing(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    address, before = f"{lab.url}/photos", kept(lab)
    assert client.post(address, files={"picture": small_photo}).status_code == 400
    nothing_chosen = (  # what a browser sends
        b'--x\r\nContent-Disposition: form-data; name=photo; filename=""\r\n\r\n\r\n--x--\r\n'
    )
    answer = client.post(
        address,
        content=nothing_chosen,
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert answer.status_code == 400
    assert "in a field named 'photo'" in answer.json()["detail"]
    assert client.post(address, data={"photo": "x"}).status_code == 415
    assert client.post(address, json={"photo": "x"}).status_code == 415
    assert client.post(address, content=small_photo).status_code == 415
    assert client.post(address).status_code == 415
    assert client.put(address).status_code == 405
    assert kept(lab) == before


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
    answer = hand_in(client, lab, small_photo, name)
    assert answer.status_code == 202
    assert final_status(client, lab.url + answer.headers["Location"])["state"] == "SUCCESS"
    photo = card(client, lab, answer.json()["id"])
    assert photo["name"] == name
    assert photo["name"] not in client.get(f"{lab.url}/").text, "it comes as JSON only"
    assert client.get(f"{lab.url}/photos").headers["Content-Type"] == "application/json"

    written = {path for path in Path(lab.folder.parent).rglob("*") if photo["id"] in str(path)}
    prints = lab.folder / "lab/prints" / photo["id"]
    assert written == {
        lab.folder / "lab/photos" / photo["id"],
        prints,
        *(prints / f"{size}.jpg" for size in ("small", "medium", "large")),
    }
    assert not [path for path in lab.folder.parent.rglob("*") if "vil" in path.name]
