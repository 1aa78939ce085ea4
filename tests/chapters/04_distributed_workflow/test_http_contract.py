"""Chapter 4 answers over HTTP as every chapter does: work is ordered by the album."""

import sqlite3
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.support.http_contract import HttpContract, expect_problem, final
from workbench.chapter_run import ChapterRun


class TestHttpContract(HttpContract):
    """An upload starts no work here: it fills an album. An order of the album does."""

    @pytest.fixture(autouse=True)
    def album(self, lab: ChapterRun, client: httpx.Client, small_photo: bytes) -> str:
        """Create an album with a photo, to which the tests upload, and which they order."""
        answer = client.post(f"{lab.url}/albums", data={"name": "Contract"})
        self.address = answer.headers["Location"]
        self.upload_path = f"{self.address}/photos"
        client.post(lab.url + self.upload_path, files={"photo": ("photo.jpg", small_photo)})
        return self.address

    def start_work(self, client: httpx.Client, lab: ChapterRun, photo: bytes) -> httpx.Response:
        return client.post(f"{lab.url}{self.address}/orders")

    def kept(self, lab: ChapterRun) -> set[tuple[Any, ...]]:
        """Return ids of photos and orders; a workflow's orders count as one, by the last one."""
        files = {("file", path.name) for path in lab.folder.glob("lab/photos/*")}
        with closing(sqlite3.connect(lab.folder / "lab/lab.sqlite")) as database:
            photos = database.execute("select 'photo', id from photo").fetchall()
            last = "workflow_id is null or task = 'tasks.publish_album'"
            orders = database.execute(f"select 'order', id from \"order\" where {last}").fetchall()
        return files | {*photos, *orders}

    def test_a_failed_task_is_an_answer_without_traceback(
        self, lab: ChapterRun, client: httpx.Client, sample_photo: bytes
    ) -> None:
        """Not a failure here: a photo that can't be read is a result, with a reason."""
        half = sample_photo[: len(sample_photo) // 2]
        client.post(lab.url + self.upload_path, files={"photo": ("half.jpg", half)})
        answer = self.start_work(client, lab, b"")
        album = final(client, lab.url + answer.headers["Location"])

        assert album["state"] == "SUCCESS"
        assert "can't be read" in album["orders"][1]["result"]["error"]
        assert "Traceback" not in str(album)

    def test_an_expired_result_is_a_success_while_its_print_is_there(
        self, lab: ChapterRun, client: httpx.Client, small_photo: bytes
    ) -> None:
        """The album's own row says that it is published; a single task's status is gone."""
        order = self.start_work(client, lab, small_photo).json()
        final(client, lab.url + order["status"])
        final(client, f"{lab.url}/tasks/{order['id']}")
        self.make_old(lab, order["id"])

        assert client.get(lab.url + order["status"]).json()["state"] == "SUCCESS"
        expect_problem(client.get(f"{lab.url}/tasks/{order['id']}"), 410)

    def test_an_expired_result_is_gone_if_nothing_else_is_left(
        self, lab: ChapterRun, client: httpx.Client
    ) -> None:
        final(client, lab.url + self.start_work(client, lab, b"").headers["Location"])
        packing = client.post(f"{lab.url}{self.address}/zip").json()
        final(client, lab.url + packing["status"])
        self.make_old(lab, packing["id"])

        expect_problem(client.get(lab.url + packing["status"]), 410)
        expect_problem(client.delete(lab.url + packing["status"]), 409)

    def test_what_isnt_a_number_is_refused_and_leaves_nothing(self) -> None:  # type: ignore[override]
        """There are no numbers to send."""

    def test_a_post_of_the_labs_own_page_passes(
        self, lab: ChapterRun, client: httpx.Client
    ) -> None:
        for headers in (
            {"Sec-Fetch-Site": "same-origin", "Origin": lab.url},
            {"Sec-Fetch-Site": "none"},  # somebody who typed the address
            {"Origin": lab.url},
        ):
            answer = client.post(f"{lab.url}/albums", data={"name": "Mine"}, headers=headers)
            assert answer.status_code == 201

    def test_an_unsafe_method_of_another_site_is_403_everywhere(
        self, lab: ChapterRun, client: httpx.Client
    ) -> None:
        before = self.kept(lab)
        other = {"Origin": "https://evil.example"}
        for method, path in (
            ("POST", "/albums"),
            ("POST", f"{self.address}/orders"),
            ("DELETE", f"{self.address}/orders"),
            ("POST", f"{self.address}/zip"),
        ):
            expect_problem(client.request(method, lab.url + path, headers=other), 403)
        assert self.kept(lab) == before
