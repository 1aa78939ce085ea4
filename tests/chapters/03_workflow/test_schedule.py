"""Every night: beat with its clock turned, and what it asks for. Nobody waits for the morning."""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from celery import Celery
from celery.beat import PersistentScheduler, Scheduler
from celery.signals import before_task_publish
from flask import Flask

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

BERLIN = ZoneInfo("Europe/Berlin")
Sent = list[tuple[str, datetime]]  # which task, when
Night = Callable[..., Flask]


@pytest.fixture
def night(package: ModuleType, tmp_path: Path) -> Night:
    """Return a function that makes a lab of its own, whose messages stay in this process."""

    def make(timezone: str = "UTC", only: str = "") -> Flask:
        celery = {"broker_url": "memory://", "result_backend": "disabled://", "timezone": timezone}
        app: Flask = package.create_app({"DIR": tmp_path / "lab", "CELERY": celery})
        conf = app.extensions["celery"].conf
        schedule = deepcopy(conf.beat_schedule)  # a crontab keeps the zone of its first app
        conf.beat_schedule = {only: schedule[only]} if only else schedule
        assert app.test_cli_runner().invoke(args=["init-db"]).exit_code == 0
        return app

    return make


@contextmanager
def noted() -> Iterator[Sent]:
    """Note each task that is sent, and when that was by the clock."""
    sent: Sent = []

    def note(sender: str, **_: object) -> None:
        sent.append((sender, datetime.now(UTC)))

    before_task_publish.connect(note)
    try:
        yield sent
    finally:
        before_task_publish.disconnect(note)


def run_beat(scheduler: Scheduler, clock: Any, until: datetime) -> None:
    """Do what `celery beat` does, but turn the clock where it would sleep."""
    while datetime.now(UTC) < until:
        seconds = scheduler.tick()
        left = (until - datetime.now(UTC)).total_seconds()
        clock.shift(min(max(seconds, 0.001), max(left, 0.001)))


def beat(app: Flask, start: datetime, **length: float) -> Sent:
    """Let beat run through some time, from a start."""
    with noted() as sent, time_machine.travel(start, tick=False) as clock:
        scheduler = Scheduler(app=app.extensions["celery"])
        run_beat(scheduler, clock, start + timedelta(**length))
    return sent


# --- through the days ----------------------------------------------------------------------------


def test_in_a_day_each_task_is_sent_as_often_as_it_should(night: Night) -> None:
    start = datetime(2026, 12, 24, tzinfo=UTC)
    sent = beat(night(), start, hours=24)
    count = Counter(name for name, _ in sent)
    assert set(count) == {"tasks.count", "tasks.clean_up", "tasks.report"}
    assert count["tasks.count"] == pytest.approx(1440, abs=2)
    cleaned = [at for name, at in sent if name == "tasks.clean_up"]
    assert [at.replace(second=0, microsecond=0) for at in cleaned] == [
        start + timedelta(hours=hour, minutes=15) for hour in range(24)
    ]
    (reported,) = [at for name, at in sent if name == "tasks.report"]
    assert timedelta(0) <= reported - start.replace(hour=7, minute=30) < timedelta(seconds=5)
    pauses = [at for name, at in sent if name == "tasks.count"]
    for one, other in pairwise(pauses):
        assert timedelta(seconds=59) < other - one < timedelta(seconds=62)


@pytest.mark.parametrize(
    ("first_day", "offsets"),
    [
        pytest.param(datetime(2026, 10, 24, tzinfo=BERLIN), [2, 1, 1], id="autumn-2026"),
        pytest.param(datetime(2027, 3, 27, tzinfo=BERLIN), [1, 2, 2], id="spring-2027"),
    ],
)
def test_the_report_comes_at_half_past_seven_by_the_clock_on_the_wall(
    night: Night, first_day: datetime, offsets: list[int]
) -> None:
    app = night("Europe/Berlin", only="report")
    sent = [at.astimezone(BERLIN) for _, at in beat(app, first_day.astimezone(UTC), days=3)]
    assert [(at.hour, at.minute) for at in sent] == [(7, 30)] * 3
    assert [at.day for at in sent] == [first_day.day + number for number in range(3)]
    assert [at.utcoffset() for at in sent] == [timedelta(hours=hours) for hours in offsets]


@pytest.mark.parametrize(
    ("timezone", "hour", "minute"),
    [("UTC", 7, 30), ("Europe/Berlin", 6, 30), ("Asia/Kolkata", 2, 0), ("Asia/Shanghai", 23, 30)],
)
def test_a_crontab_is_read_in_the_time_zone_of_the_setting(
    night: Night, timezone: str, hour: int, minute: int
) -> None:
    sent = beat(night(timezone, only="report"), datetime(2026, 12, 24, tzinfo=UTC), hours=24)
    assert [(at.hour, at.minute) for _, at in sent] == [(hour, minute)]


# --- what beat remembers -------------------------------------------------------------------------


def test_a_report_that_was_missed_is_sent_once_when_beat_is_back(
    night: Night, tmp_path: Path
) -> None:
    """Its file tells when each was sent last. Three mornings missed are one report."""
    celery = night(only="report").extensions["celery"]
    start = datetime(2026, 12, 24, 6, tzinfo=UTC)

    def run(begin: datetime, end: datetime) -> list[datetime]:
        with noted() as sent, time_machine.travel(begin, tick=False) as clock:
            scheduler = PersistentScheduler(app=celery, schedule_filename=str(tmp_path / "beat"))
            run_beat(scheduler, clock, end)
            scheduler.close()
        return [at.replace(second=0, microsecond=0) for _, at in sent]

    def at(day: int, hour: int, minute: int = 0) -> datetime:
        return datetime(2026, 12, day, hour, minute, tzinfo=UTC)

    assert run(start, at(24, 20)) == [at(24, 7, 30)]
    assert run(at(25, 6), at(25, 7)) == [], "nothing was missed"
    assert run(at(25, 9), at(25, 20)) == [at(25, 9)], "late, but once"
    assert run(at(29, 9), at(29, 20)) == [at(29, 9)]
    for file in tmp_path.glob("beat*"):
        file.unlink()
    assert run(at(30, 9), at(30, 20)) == [], "without its file it knows of nothing that was missed"


# --- from beat to the diary ----------------------------------------------------------------------


@pytest.fixture
def paused_beat(lab: ChapterRun) -> Iterator[None]:
    """Let the lab's own beat send nothing for a while, or it would write lines of its own."""
    processes = lab.services["beat"].process_tree()
    for process in processes:
        process.suspend()
    yield
    for process in processes:
        process.resume()


@pytest.fixture
def reports(api: Any) -> Iterator[Callable[[], int]]:
    """Return what counts the reports that came by mail; today's is as if it never was written."""
    api.query("delete from letter where id like 'report-%'")
    to = "owner@photo-lab.example"  # where today's may come several times, from several tests
    yield lambda: sum(letter["copies"] for letter in api.letters(to))
    api.query("delete from letter where id like 'report-%'")


def entries(api: Any, task: str) -> list[Any]:
    sql = "select at, said from entry where task = ? order by id"
    found: list[Any] = api.query(sql, task)
    return found


@pytest.mark.usefixtures("paused_beat")
def test_a_tick_reaches_a_worker_that_writes_the_diary(
    api: Any, celery: Celery, reports: Callable[[], int]
) -> None:
    tasks = ("tasks.count", "tasks.clean_up", "tasks.report")
    before = {task: len(entries(api, task)) for task in tasks}
    had = reports()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(hour=7, minute=0)
    with time_machine.travel(tomorrow) as clock:
        scheduler = Scheduler(app=celery)
        scheduler.tick()
        assert {task: len(entries(api, task)) for task in tasks} == before, "not yet"
        clock.move_to(tomorrow.replace(minute=30, second=1))
        while scheduler.tick() == 0:
            pass
        scheduler.close()

    def written() -> bool:
        return all(len(entries(api, task)) == before[task] + 1 for task in tasks)

    wait_until(written, "three new lines in the diary")
    diary = api.get("/diary")["entries"]
    assert {entry["task"] for entry in diary[:3]} == set(tasks)
    for entry in diary:
        assert list(entry) == ["task", "at", "said"]
    assert sorted(diary, key=lambda entry: -entry["at"]) == diary, "the latest first"
    wait_until(lambda: reports() == had + 1, "the report by mail")


# --- the tasks -----------------------------------------------------------------------------------


def asked(api: Any, celery: Celery, task: str) -> str:
    """Have a task done by the worker; return what it says, which is in the diary, too."""
    said: str = celery.send_task(task, queue="lab").get(timeout=10)
    assert entries(api, task)[-1][1] == said
    assert time.time() - entries(api, task)[-1][0] < 10
    return said


@pytest.mark.usefixtures("paused_beat")
def test_a_report_that_is_asked_for_twice_is_one_letter(
    api: Any, celery: Celery, reports: Callable[[], int]
) -> None:
    had, today = reports(), datetime.now(UTC).date()
    first, second = (asked(api, celery, "tasks.report") for _ in range(2))
    assert first == f"The report of {today} goes to owner@photo-lab.example."
    assert second == f"The report of {today} was written before."
    wait_until(lambda: reports() == had + 1, "the report")
    (letter,) = api.letters("owner@photo-lab.example")
    assert letter["subject"] == f"Report of {today}"
    assert letter["text"].rstrip().endswith(" albums ordered.")
    assert letter["sheet"] is False
    assert api.query("select count(*) from letter where id = ?", f"report-{today}") == [(1,)]


@pytest.mark.usefixtures("paused_beat")
def test_statistics_count_what_was_developed_and_ordered(
    api: Any, celery: Celery, small_photo: bytes
) -> None:
    def numbers() -> tuple[int, int]:
        words = r"(\d+) photos developed, \d+\.\d s each; (\d+) albums ordered\."
        found = re.fullmatch(words, asked(api, celery, "tasks.count"))
        assert found
        return int(found[1]), int(found[2])

    photos, albums = numbers()
    api.ordered(small_photo, small_photo[:-300], small_photo)
    api.album(small_photo)
    assert numbers() == (photos + 2, albums + 1)


@pytest.mark.usefixtures("paused_beat")
def test_cleaning_up_deletes_only_what_is_unfinished_and_old(
    api: Any, celery: Celery, small_photo: bytes
) -> None:
    api.developed(small_photo)
    folder = api.lab.folder / "lab"
    (folder / "albums/some").mkdir(parents=True, exist_ok=True)
    hours = {"prints/old.part": 2, "albums/some/old.part": 1.01, "new.part": 0.99, "old.jpg": 48}
    for name, age in hours.items():
        (folder / name).write_bytes(bytes(600_000))
        os.utime(folder / name, (time.time() - age * 3600,) * 2)
    before = {path for path in folder.rglob("*") if path.is_file() and "sqlite" not in path.name}
    try:
        assert asked(api, celery, "tasks.clean_up") == "2 files deleted, 1,200,000 bytes."
        after = {path for path in folder.rglob("*") if path.is_file()}
        assert before - after == {folder / "prints/old.part", folder / "albums/some/old.part"}
        assert asked(api, celery, "tasks.clean_up") == "0 files deleted, 0 bytes."
    finally:
        for name in hours:
            (folder / name).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("timezone", "day"),
    [("UTC", "2026-12-31"), ("Europe/Berlin", "2027-01-01"), ("America/New_York", "2026-12-31")],
)
def test_the_day_of_a_report_is_that_of_the_time_zone(
    night: Night, timezone: str, day: str
) -> None:
    app = night(timezone)
    midnight = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    with noted() as sent, time_machine.travel(midnight):
        said = app.extensions["celery"].tasks["tasks.report"]()  # as a worker calls it
    assert said.startswith(f"The report of {day} goes to")
    assert [name for name, _ in sent] == ["tasks.deliver"]


def test_what_nobody_could_do_in_time_is_not_done_later(lab: ChapterRun, celery: Celery) -> None:
    """Without a worker ticks don't pile up: each entry expires."""
    for entry in celery.conf.beat_schedule.values():
        assert 60 <= entry["options"]["expires"] < 86400
