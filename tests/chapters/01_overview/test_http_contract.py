"""Chapter 1 answers over HTTP as every chapter does."""

import os
import time
from typing import Any

import redis

from tests.support.http_contract import HttpContract
from workbench.chapter_run import ChapterRun


class TestHttpContract(HttpContract):
    upload_path = "/background"

    def kept(self, lab: ChapterRun) -> set[tuple[Any, ...]]:
        """Return ids of photos and orders: both are files here."""
        photos = {("file", path.name) for path in lab.folder.glob("lab/photos/*")}
        orders = {("order", path.name) for path in lab.folder.glob("lab/orders/*")}
        return photos | orders

    def make_old(self, lab: ChapterRun, order_id: str) -> None:
        """Let an order be two days old, and its result be gone."""
        two_days_ago = time.time() - 2 * 24 * 60 * 60
        os.utime(lab.folder / "lab/orders" / order_id, (two_days_ago, two_days_ago))
        assert redis.Redis.from_url(lab.result_backend).delete(f"celery-task-meta-{order_id}")
