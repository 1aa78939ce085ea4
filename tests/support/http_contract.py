"""What every chapter answers over HTTP, as tests: each chapter runs them in a class of its own.

class TestHttpContract(HttpContract):
    upload_path = "/photos"
"""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
import redis

from tests.support.bad_uploads import BAD_UPLOADS
from tests.support.outages import REFUSED_WITHIN, SILENT_WITHIN, expect_503, timed
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

FINAL_STATES = ("SUCCESS", "FAILURE", "REVOKED")
STATUS_KEYS = {"id", "state", "result", "error"}
NEVER_ISSUED = "6a8f12a0-0000-4000-8000-000000000000"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def expect_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert list(answer.json()) == ["title", "status", "detail"]
    assert answer.json()["status"] == status
    assert "Traceback" not in answer.text


def final(client: httpx.Client, address: str) -> dict[str, Any]:
    """Ask for a status until it is final, and return it."""

    def look() -> dict[str, Any] | None:
        status: dict[str, Any] = client.get(address).raise_for_status().json()
        return status if status["state"] in FINAL_STATES else None

    found = wait_until(look, f"a final state at {address}", 30)
    assert found
    return found


@contextmanager
def paused(lab: ChapterRun, name: str) -> Iterator[None]:
    """Let a process of the run do nothing during the block."""
    processes = lab.services[name].process_tree()
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


class HttpContract:
    """The tests. A chapter says how work is started, and what it keeps."""

    upload_path = "/photos"  # takes a file in the field `photo`

    def start_work(self, client: httpx.Client, lab: ChapterRun, photo: bytes) -> httpx.Response:
        """Send the POST that starts work on a photo."""
        return client.post(lab.url + self.upload_path, files={"photo": ("photo.jpg", photo)})

    def kept(self, lab: ChapterRun) -> set[tuple[Any, ...]]:
        """Return what the chapter keeps of its visitors' orders: ids of photos and of orders."""
        files = {("file", path.name) for path in lab.folder.glob("lab/photos/*")}
        with closing(sqlite3.connect(lab.folder / "lab/lab.sqlite")) as database:
            photos = database.execute("select 'photo', id from photo").fetchall()
            orders = database.execute("select 'order', id from \"order\"").fetchall()
        return files | {*photos, *orders}

    def make_old(self, lab: ChapterRun, order_id: str) -> None:
        """Let an order be two days old, and its result be gone."""
        with closing(sqlite3.connect(lab.folder / "lab/lab.sqlite")) as database, database:
            two_days_ago = time.time() - 2 * 24 * 60 * 60
            change = 'update "order" set placed_at = ? where id = ?'
            assert database.execute(change, [two_days_ago, order_id]).rowcount == 1
        assert redis.Redis.from_url(lab.result_backend).delete(f"celery-task-meta-{order_id}")

    # --- an order's life

    def test_a_post_that_starts_work_is_202_and_never_waits(
        self, lab: ChapterRun, client: httpx.Client, small_photo: bytes
    ) -> None:
        with paused(lab, "worker"):
            answer, seconds = timed(lambda: self.start_work(client, lab, small_photo))
            waiting = client.get(lab.url + answer.headers["Location"]).json()
        done = final(client, lab.url + answer.headers["Location"])

        assert answer.status_code == 202
        assert answer.json()["status"] == answer.headers["Location"]
        assert seconds < REFUSED_WITHIN
        assert waiting["state"] == "PENDING"
        assert done["state"] == "SUCCESS"
        assert waiting.keys() == done.keys(), "the same shape in every state"
        assert waiting.keys() >= STATUS_KEYS

    def test_ids_cant_be_guessed(
        self, lab: ChapterRun, client: httpx.Client, small_photo: bytes
    ) -> None:
        ids = [self.start_work(client, lab, small_photo).json()["id"] for _ in range(2)]
        assert ids[0] != ids[1]
        assert [UUID(found).version for found in ids] == [4, 4]

    def test_a_failed_task_is_an_answer_without_traceback(
        self, lab: ChapterRun, client: httpx.Client, sample_photo: bytes
    ) -> None:
        half = sample_photo[: len(sample_photo) // 2]
        answer = client.post(lab.url + self.upload_path, files={"photo": ("half.jpg", half)})
        status = final(client, lab.url + answer.headers["Location"])

        assert status["state"] == "FAILURE"
        assert status["result"] is None
        assert status["error"]["type"] == "UnidentifiedImageError"
        assert "can't be read" in status["error"]["message"]
        assert "Traceback" not in str(status)

    def test_an_expired_result_is_a_success_while_its_print_is_there(
        self, lab: ChapterRun, client: httpx.Client, small_photo: bytes
    ) -> None:
        order = self.start_work(client, lab, small_photo).json()
        final(client, lab.url + order["status"])
        self.make_old(lab, order["id"])

        status = client.get(lab.url + order["status"])

        assert status.status_code == 200
        assert (status.json()["state"], status.json()["result"]) == ("SUCCESS", None)
        assert client.get(lab.url + status.json()["print"]).status_code == 200

    def test_an_expired_result_is_gone_if_nothing_else_is_left(
        self, lab: ChapterRun, client: httpx.Client
    ) -> None:
        order = client.post(f"{lab.url}/my-task", data={"arg1": "2", "arg2": "3"}).json()
        final(client, lab.url + order["status"])
        self.make_old(lab, order["id"])

        expect_problem(client.get(lab.url + order["status"]), 410)

    # --- what isn't as it should be

    @pytest.mark.parametrize("unknown", [NEVER_ISSUED, "nonsense", "..%2F..%2Flab.sqlite"])
    def test_an_id_that_was_never_issued_is_404(
        self, lab: ChapterRun, client: httpx.Client, unknown: str
    ) -> None:
        expect_problem(client.get(f"{lab.url}/tasks/{unknown}"), 404)
        expect_problem(client.get(f"{lab.url}/prints/{unknown}/large.jpg"), 404)

    def test_a_browser_gets_a_page_that_says_the_same(
        self, lab: ChapterRun, client: httpx.Client
    ) -> None:
        address = f"{lab.url}/tasks/{NEVER_ISSUED}"
        page = client.get(address, headers=BROWSER)

        assert page.status_code == 404
        assert page.headers["Content-Type"].startswith("text/html")
        assert client.get(address).json()["detail"] in page.text

    @pytest.mark.parametrize(("content", "status", "says"), BAD_UPLOADS)
    def test_what_isnt_a_photo_is_refused_and_leaves_nothing(
        self, lab: ChapterRun, client: httpx.Client, content: bytes, status: int, says: str
    ) -> None:
        before = self.kept(lab)
        answer = client.post(lab.url + self.upload_path, files={"photo": ("x.jpg", content)})

        expect_problem(answer, status)
        assert says in answer.json()["detail"]
        assert self.kept(lab) == before

    def test_a_request_without_a_photo_is_refused_and_leaves_nothing(
        self, lab: ChapterRun, client: httpx.Client, small_photo: bytes
    ) -> None:
        address, before = lab.url + self.upload_path, self.kept(lab)

        expect_problem(client.post(address, files={"picture": small_photo}), 400)
        expect_problem(client.post(address, json={"photo": "x"}), 415)
        expect_problem(client.post(address, content=small_photo), 415)
        expect_problem(client.post(address), 415)
        assert self.kept(lab) == before

    @pytest.mark.parametrize("arg1", ["", "two", "nan", "1e400", "9" * 5000, "0x10", "²"])
    def test_what_isnt_a_number_is_refused_and_leaves_nothing(
        self, lab: ChapterRun, client: httpx.Client, arg1: str
    ) -> None:
        before = self.kept(lab)
        answer = client.post(f"{lab.url}/my-task", data={"arg1": arg1, "arg2": "3"})

        expect_problem(answer, 422)
        assert "'arg1' is a number" in answer.json()["detail"]
        assert self.kept(lab) == before

    # --- other sites

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8000"},
        ],
    )
    def test_a_post_that_another_site_sends_is_403_and_leaves_nothing(
        self, lab: ChapterRun, client: httpx.Client, headers: dict[str, str]
    ) -> None:
        before = self.kept(lab)
        numbers = {"arg1": "2", "arg2": "3"}
        expect_problem(client.post(f"{lab.url}/my-task", data=numbers, headers=headers), 403)
        assert self.kept(lab) == before
        assert client.get(lab.url, headers=headers).status_code == 200, "to read is safe"

    def test_a_post_of_the_labs_own_page_passes(
        self, lab: ChapterRun, client: httpx.Client
    ) -> None:
        numbers = {"arg1": "2", "arg2": "3"}
        for headers in (
            {"Sec-Fetch-Site": "same-origin", "Origin": lab.url},
            {"Sec-Fetch-Site": "none"},  # somebody who typed the address
            {"Origin": lab.url},
        ):
            answer = client.post(f"{lab.url}/my-task", data=numbers, headers=headers)
            assert answer.status_code == 202

    # --- outages

    def test_a_broker_that_refuses_is_a_503_that_leaves_nothing(
        self, lab: ChapterRun, client: httpx.Client, small_photo: bytes
    ) -> None:
        before = self.kept(lab)
        lab.stop("broker")
        for _ in range(2):
            answer, seconds = timed(lambda: self.start_work(client, lab, small_photo))
            expect_503(answer)
            assert "wasn't taken" in answer.json()["detail"]
            assert seconds < REFUSED_WITHIN
        assert self.kept(lab) == before

    def test_a_broker_that_never_answers_is_a_503_that_names_what_is_left(
        self, lab: ChapterRun, client: httpx.Client, small_photo: bytes
    ) -> None:
        before = self.kept(lab)
        with paused(lab, "broker"):
            answer, seconds = timed(lambda: self.start_work(client, lab, small_photo))

        expect_503(answer)
        assert seconds < SILENT_WITHIN
        named = set(re.findall(r"[0-9a-f-]{36}", answer.json()["detail"]))
        left = {found[1] for found in self.kept(lab) - before if found[0] == "order"}
        assert left == named, "what may have been sent is named; else nothing is left"
