"""Chapter 1 from outside, on real servers: what it does beyond the contract of all chapters."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from PIL import Image

from tests.support.bad_uploads import BAD_UPLOADS
from tests.support.http_contract import expect_problem
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

FinalStatus = Callable[[httpx.Client, str], dict[str, Any]]
KEYS = ["id", "task", "state", "result", "error", "print"]


def send_photo(
    client: httpx.Client, lab: ChapterRun, photo: bytes, way: str = "background"
) -> httpx.Response:
    return client.post(f"{lab.url}/{way}", files={"photo": ("photo.jpg", photo)})


def send_numbers(client: httpx.Client, lab: ChapterRun, arg1: str, arg2: str) -> httpx.Response:
    return client.post(f"{lab.url}/my-task", data={"arg1": arg1, "arg2": arg2})


def lab_files(lab: ChapterRun) -> list[Path]:
    return sorted(path for path in lab.folder.rglob("lab/**/*") if path.is_file())


# --- in the request ------------------------------------------------------------------------------


def test_blocking_answers_with_the_print_upright(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    answer = send_photo(client, lab, small_photo, "blocking")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (1200, 1600)


@pytest.mark.slow
def test_a_sample_photo_takes_real_work(
    lab: ChapterRun, client: httpx.Client, sample_photo: bytes
) -> None:
    before = cpu_seconds(lab)
    answer = send_photo(client, lab, sample_photo, "blocking")
    spent = cpu_seconds(lab) - before

    assert answer.status_code == 200
    assert 0.5 < spent < 4, f"{spent} s of CPU; meant to be one to two"


def cpu_seconds(lab: ChapterRun) -> float:
    used = [process.cpu_times() for process in lab.services["web"].process_tree()]
    return sum(times.user + times.system for times in used)


@pytest.mark.parametrize(("content", "status", "says"), BAD_UPLOADS)
def test_what_isnt_a_photo_is_refused_in_the_request_too(
    lab: ChapterRun, client: httpx.Client, content: bytes, status: int, says: str
) -> None:
    before = lab_files(lab)
    answer = send_photo(client, lab, content, "blocking")

    expect_problem(answer, status)
    assert says in answer.json()["detail"]
    assert lab_files(lab) == before


def test_half_a_photo_is_refused_in_the_request(
    lab: ChapterRun, client: httpx.Client, sample_photo: bytes
) -> None:
    before = lab_files(lab)
    answer = send_photo(client, lab, sample_photo[: len(sample_photo) // 2], "blocking")

    expect_problem(answer, 422)
    assert "the file is damaged" in answer.json()["detail"]
    assert lab_files(lab) == before


# --- in the background ---------------------------------------------------------------------------


def test_an_order_is_developed_into_prints_of_three_sizes(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    answer = send_photo(client, any_lab, small_photo)
    status = final_status(client, any_lab.url + answer.headers["Location"])

    assert list(status) == KEYS
    assert status["task"] == "tasks.develop"
    assert status["state"] == "SUCCESS"
    assert status["result"]["seconds"] > 0
    for size, edge in {"small": 480, "medium": 960, "large": 1600}.items():
        found = client.get(any_lab.url + status["print"].replace("large", size))
        assert max(Image.open(io.BytesIO(found.content)).size) == edge


@pytest.mark.slow
def test_an_order_waits_while_no_worker_runs(
    any_lab: ChapterRun, client: httpx.Client, small_photo: bytes, final_status: FinalStatus
) -> None:
    any_lab.stop("worker")
    address = any_lab.url + send_photo(client, any_lab, small_photo).headers["Location"]
    waiting = client.get(address).json()
    any_lab.start("worker")

    assert waiting["state"] == "PENDING"
    assert final_status(client, address)["state"] == "SUCCESS"


@pytest.mark.slow
def test_success_never_comes_before_the_print(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    for _ in range(20):
        address = lab.url + send_photo(client, lab, small_photo).headers["Location"]
        while (status := client.get(address).json())["state"] != "SUCCESS":
            assert status["state"] in ("PENDING", "STARTED")
        assert status["print"], "a client that stops at SUCCESS finds the print"


def test_a_visitors_file_name_is_never_used(
    lab: ChapterRun, client: httpx.Client, small_photo: bytes
) -> None:
    photo = ("../../../evil.jpg", small_photo)
    answer = client.post(f"{lab.url}/background", files={"photo": photo})

    assert answer.status_code == 202
    assert [path for path in lab.folder.parent.rglob("*") if "evil" in path.name] == []


# --- results -------------------------------------------------------------------------------------


def test_results_expire_after_a_day(
    lab: ChapterRun, client: httpx.Client, final_status: FinalStatus
) -> None:
    order = send_numbers(client, lab, "1", "2").json()
    final_status(client, lab.url + order["status"])

    backend = redis.Redis.from_url(lab.result_backend)
    seconds_left = backend.ttl(f"celery-task-meta-{order['id']}")
    assert isinstance(seconds_left, int)
    assert 86300 < seconds_left <= 86400


@pytest.mark.slow
def test_an_order_that_waited_too_long_says_so(lab: ChapterRun, client: httpx.Client) -> None:
    lab.stop("worker")
    address = lab.url + send_numbers(client, lab, "1", "2").headers["Location"]
    let_the_next_message_expire(redis.Redis.from_url(lab.broker_url, decode_responses=True))
    lab.start("worker")

    def look() -> dict[str, Any] | None:
        status: dict[str, Any] = client.get(address).json()
        return None if status["state"] == "PENDING" else status

    status = wait_until(look, "the worker to look at it")
    assert status
    assert status["state"] == "REVOKED"
    assert status["error"]["type"] == "TaskRevokedError"


def let_the_next_message_expire(broker: redis.Redis) -> None:
    """Change the time in the message, after which no worker may take it, to one long ago."""
    message = str(broker.lindex("celery", 0))
    long_ago = re.sub(r'"expires": "\d{4}', '"expires": "2001', message)
    assert long_ago != message
    broker.lset("celery", 0, long_ago)


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
    answer = send_numbers(client, any_lab, arg1, arg2)
    status = final_status(client, any_lab.url + answer.headers["Location"])

    assert answer.status_code == 202
    assert list(status) == KEYS
    assert (status["task"], status["result"], status["print"]) == ("tasks.my_task", total, None)


def test_my_task_wants_a_form(lab: ChapterRun, client: httpx.Client) -> None:
    expect_problem(client.post(f"{lab.url}/my-task", json={"arg1": 1, "arg2": 2}), 422)
    expect_problem(client.post(f"{lab.url}/my-task", content=b"{"), 422)
    expect_problem(client.get(f"{lab.url}/my-task"), 405)
