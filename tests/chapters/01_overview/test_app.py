"""Chapter 1 from outside, on real servers: what each request is answered."""

import io
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from PIL import Image

from tests.support.bad_uploads import BAD_UPLOADS
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

FinalStatus = Callable[[httpx.Client, str], dict[str, Any]]
KEYS = ["id", "task", "state", "result", "error", "print"]


def hand_in(
    client: httpx.Client, lab: ChapterRun, photo: bytes, way: str = "background"
) -> httpx.Response:
    return client.post(f"{lab.url}/{way}", files={"photo": ("photo.jpg", photo)})


def lab_files(lab: ChapterRun) -> list[Path]:
    return sorted(path for path in lab.folder.rglob("lab/**/*") if path.is_file())


# --- 1.1 -----------------------------------------------------------------------------------------


def test_blocking_answers_with_the_print_upright(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    answer = hand_in(client, lab, small_photo, "blocking")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (1200, 1600)


def test_a_sample_photo_takes_real_work(
    lab: ChapterRun, client: httpx.Client, sample_photo: bytes
) -> None:
    before = cpu_seconds(lab)
    assert hand_in(client, lab, sample_photo, "blocking").status_code == 200
    spent = cpu_seconds(lab) - before
    assert 0.5 < spent < 4, f"{spent} s of CPU; meant to be one to two"


def cpu_seconds(lab: ChapterRun) -> float:
    used = [process.cpu_times() for process in lab.services["web"].process_tree()]
    return sum(times.user + times.system for times in used)


# --- 1.2 -----------------------------------------------------------------------------------------


def test_an_order_is_accepted_developed_and_handed_out(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    answer = hand_in(client, any_lab, small_photo)
    assert answer.status_code == 202
    address = answer.headers["Location"]
    assert answer.json() == {"id": address.removeprefix("/tasks/"), "status": address}

    status = final_status(client, any_lab.url + address)
    assert list(status) == KEYS
    assert status["task"] == "tasks.develop"
    assert status["state"] == "SUCCESS"
    assert status["result"]["seconds"] > 0
    assert status["error"] is None

    large = status["print"]
    for size, edge in {"small": 480, "medium": 960, "large": 1600}.items():
        answer = client.get(any_lab.url + large.replace("large", size))
        assert max(Image.open(io.BytesIO(answer.content)).size) == edge


def test_an_order_waits_while_no_worker_runs(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    any_lab.stop("worker")
    address = any_lab.url + hand_in(client, any_lab, small_photo).headers["Location"]
    waiting = client.get(address)
    assert waiting.status_code == 200
    assert list(waiting.json()) == KEYS
    assert waiting.json()["state"] == "PENDING"
    any_lab.start("worker")
    assert final_status(client, address)["state"] == "SUCCESS"


def test_ids_cant_be_guessed(lab: ChapterRun, client: httpx.Client, small_photo: bytes) -> None:
    ids = {hand_in(client, lab, small_photo).json()["id"] for _ in range(3)}
    assert len(ids) == 3
    for found in ids:
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found)


def test_an_id_that_was_never_issued_is_not_found(
    any_lab: ChapterRun, client: httpx.Client
) -> None:
    for unknown in ("6a8f12a0-0000-4000-8000-000000000000", "nonsense", "..%2F..%2Fapp.py"):
        answer = client.get(f"{any_lab.url}/tasks/{unknown}")
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_failed_task_is_an_answer_without_traceback(
    any_lab: ChapterRun, client: httpx.Client, sample_photo: bytes, final_status: FinalStatus
) -> None:
    address = hand_in(client, any_lab, sample_photo[: len(sample_photo) // 2]).headers["Location"]
    status = final_status(client, any_lab.url + address)
    assert list(status) == KEYS
    assert status["state"] == "FAILURE"
    assert status["result"] is None
    assert status["error"]["type"] == "UnidentifiedImageError"
    assert "truncated" in status["error"]["message"]
    assert "Traceback" not in str(status)


def test_an_expired_result_is_gone_unless_its_print_is_there(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    photo = lab.url + hand_in(client, lab, small_photo).headers["Location"]
    number = (
        lab.url + client.post(f"{lab.url}/my-task", data={"arg1": 1, "arg2": 2}).headers["Location"]
    )
    for address in (photo, number):
        final_status(client, address)
        order = lab.folder / "lab/orders" / address.rpartition("/")[2]
        two_days_ago = time.time() - 2 * 86400
        os.utime(order, (two_days_ago, two_days_ago))
    redis.Redis.from_url(lab.result_backend).flushdb()  # what a day does

    status = client.get(photo)
    assert status.status_code == 200
    assert list(status.json()) == KEYS
    assert status.json()["state"] == "SUCCESS"
    assert client.get(lab.url + status.json()["print"]).status_code == 200

    assert client.get(number).status_code == 410


def test_success_never_comes_before_the_print(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    for _ in range(10):
        address = lab.url + hand_in(client, lab, small_photo).headers["Location"]
        while (status := client.get(address).json())["state"] != "SUCCESS":
            assert status["state"] in ("PENDING", "STARTED")
        assert status["print"], "a client that stops at SUCCESS finds the print"


@pytest.mark.slow
def test_an_order_that_waited_too_long_says_so(lab: ChapterRun, client: httpx.Client) -> None:
    lab.stop("worker")
    address = client.post(f"{lab.url}/my-task", data={"arg1": 1, "arg2": 2}).headers["Location"]
    broker = redis.Redis.from_url(lab.broker_url, decode_responses=True)
    message = str(broker.lindex("celery", 0))
    long_ago = re.sub(r'"expires": "\d{4}', '"expires": "2001', message)
    assert long_ago != message
    broker.lset("celery", 0, long_ago)
    lab.start("worker")
    status = wait_until(
        lambda: (found := client.get(lab.url + address).json())["state"] != "PENDING" and found,
        "the worker to look at it",
    )
    assert status["state"] == "REVOKED"
    assert status["error"]["type"] == "TaskRevokedError"


def test_results_expire(lab: ChapterRun, client: httpx.Client, final_status: FinalStatus) -> None:
    answer = client.post(f"{lab.url}/my-task", data={"arg1": 1, "arg2": 2})
    final_status(client, lab.url + answer.headers["Location"])
    backend = redis.Redis.from_url(lab.result_backend)
    seconds_left = backend.ttl(f"celery-task-meta-{answer.json()['id']}")
    assert isinstance(seconds_left, int)
    assert 86300 < seconds_left <= 86400


# --- 1.3 -----------------------------------------------------------------------------------------


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
    status = final_status(client, any_lab.url + answer.headers["Location"])
    assert list(status) == KEYS
    assert (status["task"], status["result"], status["print"]) == ("tasks.my_task", total, None)


@pytest.mark.parametrize(
    "arg1", ["", "two", "nan", "inf", "1e400", "9" * 5000, "0x10", "1_000", "²"]
)
def test_my_task_wants_numbers(lab: ChapterRun, client: httpx.Client, arg1: str) -> None:
    before = lab_files(lab)
    answer = client.post(f"{lab.url}/my-task", data={"arg1": arg1, "arg2": "3"})
    assert answer.status_code == 422
    assert "'arg1' is a number" in answer.json()["detail"]
    assert lab_files(lab) == before


def test_my_task_wants_a_form(lab: ChapterRun, client: httpx.Client) -> None:
    assert client.post(f"{lab.url}/my-task", json={"arg1": 1, "arg2": 2}).status_code == 422
    assert client.post(f"{lab.url}/my-task", content=b"{").status_code == 422
    assert client.get(f"{lab.url}/my-task").status_code == 405


# --- rubbish -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("content", "status", "says"), BAD_UPLOADS)
@pytest.mark.parametrize("way", ["blocking", "background"])
def test_what_isnt_a_photo_is_refused(
    lab: ChapterRun, client: httpx.Client, way: str, content: bytes, status: int, says: str
) -> None:
    before = lab_files(lab)
    answer = hand_in(client, lab, content, way)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert says in answer.json()["detail"]
    assert lab_files(lab) == before


@pytest.mark.parametrize("way", ["blocking", "background"])
def test_a_request_without_a_photo_is_refused(
    lab: ChapterRun, client: httpx.Client, way: str
) -> None:
    address = f"{lab.url}/{way}"
    assert client.post(address, files={"picture": b"x"}).status_code == 400
    assert client.post(address, data={"photo": "x"}).status_code == 415
    assert client.post(address, json={"photo": "x"}).status_code == 415
    assert client.post(address).status_code == 415
    assert client.get(address).status_code == 405


def test_a_photo_cut_short_is_refused_inside_the_request(
    lab: ChapterRun, client: httpx.Client, sample_photo: bytes
) -> None:
    before = lab_files(lab)
    answer = hand_in(client, lab, sample_photo[: len(sample_photo) // 2], "blocking")
    assert answer.status_code == 422
    assert lab_files(lab) == before
    assert "truncated" in answer.json()["detail"]


def test_a_visitors_file_name_is_never_used(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    outside = {path for path in lab.folder.parent.rglob("*") if "evil" in path.name}
    answer = client.post(
        f"{lab.url}/background", files={"photo": ("../../../evil.jpg", small_photo)}
    )
    assert answer.status_code == 202
    assert {path for path in lab.folder.parent.rglob("*") if "evil" in path.name} == outside


def test_a_browser_gets_a_page_that_says_the_same(lab: ChapterRun, client: httpx.Client) -> None:
    address = f"{lab.url}/tasks/6a8f12a0-0000-4000-8000-000000000000"
    problem = client.get(address).json()
    page = client.get(address, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert problem["detail"] in page.text
