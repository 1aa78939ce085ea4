"""What breaks: one beat too many, a worker that is stopped or loses its broker, a killed worker."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

Run = Callable[..., str]
OWNER = "owner@photo-lab.example"


# --- one beat too many


@pytest.fixture
def hasty_beats(lab: ChapterRun, tmp_path: Path) -> Iterator[list[str]]:
    """Run two beats in the place of the lab's own, whose schedule is one of seconds."""
    (tmp_path / "hasty.py").write_text(
        "from datetime import timedelta\n"
        "from make_celery import celery_app, flask_app\n"
        "celery_app.conf.beat_schedule = {\n"
        "    name: {'task': f'tasks.{name}', 'schedule': timedelta(seconds=2)}\n"
        "    for name in ('clean_up', 'report')\n"
        "}\n"
    )
    lab.stop("beat")
    names = ["beat_1", "beat_2"]
    for name in names:
        schedule = f"--schedule {tmp_path}/{name} --loglevel INFO"
        lab.add(name, f"PYTHONPATH={tmp_path} celery -A hasty beat {schedule}")
    yield names
    for name in names:
        lab.stop(name)
        del lab.services[name]


def sent(lab: ChapterRun, beat: str, task: str) -> int:
    """Return how often a beat has sent a task."""
    return sum(f"(tasks.{task})" in line for line in lab.log.lines(beat))


def copies_of_reports(api: Any) -> int:
    return sum(letter["copies"] for letter in api.letters(OWNER))


@pytest.mark.slow
def test_two_beats_send_everything_twice_and_the_report_is_still_one_letter(
    api: Any, hasty_beats: list[str]
) -> None:
    """Nothing stops the second beat. A task that may run twice is what helps."""
    api.query("delete from letter where id like 'report-%'")
    had = copies_of_reports(api)
    first = api.query("select max(id) from diary_entry")[0][0] or 0
    for beat in hasty_beats:
        api.lab.start(beat)
    for beat in hasty_beats:
        wait_until(lambda: sent(api.lab, beat, "clean_up") >= 3, f"three ticks of {beat}", 30)  # noqa: B023
    for beat in hasty_beats:
        api.lab.stop(beat)

    def texts(task: str) -> list[str]:
        sql = "select text from diary_entry where task = ? and id > ? order by id"
        return [row[0] for row in api.query(sql, f"tasks.{task}", first)]

    for task in ("clean_up", "report"):
        total = sum(sent(api.lab, beat, task) for beat in hasty_beats)
        wait_until(lambda: len(texts(task)) == total, f"{total} entries of {task}")  # noqa: B023
    assert sum("goes to" in text for text in texts("report")) == 1
    assert sum("was written before" in text for text in texts("report")) == len(texts("report")) - 1
    wait_until(lambda: copies_of_reports(api) == had + 1, "one report")
    api.query("delete from letter where id like 'report-%'")


@pytest.mark.slow
def test_a_pidfile_keeps_a_second_beat_from_starting(
    lab: ChapterRun, run: Run, tmp_path: Path
) -> None:
    command = f"celery -A make_celery beat --pidfile {tmp_path}/beat.pid --schedule {tmp_path}"
    lab.stop("beat")
    lab.add("beat_1", f"exec {command}/one")
    lab.start("beat_1")
    try:
        file = tmp_path / "beat.pid"
        pid = wait_until(lambda: file.exists() and file.read_text().strip(), "the pidfile", 40)
        said = run(f"{command}/two; echo exit status $?")
    finally:
        lab.stop("beat_1")
        del lab.services["beat_1"]
    assert f"Seems we're already running? (pid: {pid})" in said
    assert "exit status 73" in said
    assert not (tmp_path / "beat.pid").exists(), "it goes with its beat"


@pytest.mark.slow
def test_a_beat_that_was_stopped_makes_up_for_each_entry_once(
    api: Any, hasty_beats: list[str]
) -> None:
    """Its file says when each entry was sent last: what is due is sent at once, and once."""
    [beat, _] = hasty_beats
    api.lab.start(beat)
    wait_until(lambda: sent(api.lab, beat, "clean_up") >= 2, "two ticks", 30)
    api.lab.stop(beat)
    stopped = time.monotonic()
    wait_until(lambda: time.monotonic() > stopped + 7, "three ticks to be missed", 30)
    before = sent(api.lab, beat, "clean_up")
    api.lab.start(beat)
    wait_until(lambda: sent(api.lab, beat, "clean_up") > before, "a tick", 30)
    made_up = sent(api.lab, beat, "clean_up") - before
    assert made_up == 1, "not one for each tick that was missed"


# --- a worker that holds a publication


def in_queue(broker: Any, task_id: str) -> bool:
    return any(task_id in message for message in broker.lrange("photos", 0, -1))


def is_held(broker: Any, task_id: str) -> bool:
    return any(task_id in message for message in broker.hvals("unacked"))


@pytest.mark.slow
def test_a_worker_that_is_stopped_gives_a_publication_back(
    api: Any, redis_client: Any, small_photo: bytes
) -> None:
    order = api.publish(api.developed(small_photo), datetime.now(UTC) + timedelta(hours=1))
    task_id = order.removeprefix("/tasks/")
    wait_until(lambda: is_held(redis_client, task_id), "the worker to take it")
    api.lab.stop("worker")
    assert in_queue(redis_client, task_id)
    api.lab.start("worker")
    wait_until(lambda: is_held(redis_client, task_id), "the next worker to take it")


@pytest.mark.slow
def test_a_worker_that_holds_a_publication_ends_when_its_redis_stops(
    api: Any, redis_client: Any, small_photo: bytes
) -> None:
    """With nothing held, a worker waits for its broker."""
    order = api.publish(api.developed(small_photo), datetime.now(UTC) + timedelta(hours=1))
    task_id = order.removeprefix("/tasks/")
    wait_until(lambda: is_held(redis_client, task_id), "the worker to take it")
    api.lab.stop("broker")
    wait_until(lambda: "worker" in api.lab.dead(), "the worker to end", 30)
    api.says("worker", "Unrecoverable error")
    api.lab.start_all()
    assert not in_queue(redis_client, task_id)
    assert is_held(redis_client, task_id), "it waits for Redis' visibility timeout"
    redis_client.delete("unacked", "unacked_index")
