"""What the lesson says when it compares the two ways: who waits, and which prints are sooner."""

import os
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from workbench.chapter_run import ChapterRun

pytestmark = pytest.mark.slow

PHOTOS = 6


def seconds_in_the_request(client: httpx.Client, lab: ChapterRun, photo: bytes) -> list[float]:
    """Return after how many seconds each print is there: one photo after the other."""
    started, found = time.monotonic(), []
    for _ in range(PHOTOS):
        client.post(f"{lab.url}/blocking", files={"photo": photo})
        found.append(time.monotonic() - started)
    return found


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two processes need two cores")
def test_in_the_background_the_visitor_is_free_at_once_and_the_last_print_is_sooner(
    lab: ChapterRun, client: httpx.Client, sample_photo: bytes, final_status: Callable[..., Any]
) -> None:
    in_the_request = seconds_in_the_request(client, lab, sample_photo)
    started = time.monotonic()
    upload = {"photo": sample_photo}
    answers = [client.post(f"{lab.url}/background", files=upload) for _ in range(PHOTOS)]
    handed_in = time.monotonic() - started
    found = [final_status(client, lab.url + each.headers["Location"]) for each in answers]
    last_print = time.monotonic() - started

    assert {status["state"] for status in found} == {"SUCCESS"}
    assert handed_in < in_the_request[0], "all six are handed in before one would be developed"
    assert last_print < in_the_request[-1]


def test_the_work_for_a_photo_is_not_less(
    lab: ChapterRun, client: httpx.Client, sample_photo: bytes, final_status: Callable[..., Any]
) -> None:
    in_the_request = seconds_in_the_request(client, lab, sample_photo)[0]
    answer = client.post(f"{lab.url}/background", files={"photo": sample_photo})
    status = final_status(client, lab.url + answer.headers["Location"])

    assert status["result"]["seconds"] > 0.4 * in_the_request
