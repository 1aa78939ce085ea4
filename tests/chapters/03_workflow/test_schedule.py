"""Every night: beat with its clock turned, and what its tasks do. Nobody waits for the morning."""

import os
import re
import runpy
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from celery import Celery
from celery.beat import PersistentScheduler, Scheduler
from celery.signals import before_task_publish

from tests.support.http_contract import paused
from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

SCHEDULE_FILE = Path(__file__).parents[3] / "chapters/03_workflow/lab/schedule.py"
BERLIN = ZoneInfo("Europe/Berlin")
OWNER = "owner@photo-lab.example"
Sent = list[tuple[str, datetime]]  # which task, when


def beat_app(timezone: str = "UTC", only: str = "") -> Celery:
    """Return an app with the lab's schedule, whose messages stay in this process."""
    schedule = runpy.run_path(str(SCHEDULE_FILE))["SCHEDULE"]  # a crontab keeps its app's zone
    app = Celery(broker="memory://", set_as_current=False)
    app.conf.update(timezone=timezone, beat_schedule={only: schedule[only]} if only else schedule)
    return app


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


def beat(app: Celery, start: datetime, **length: float) -> Sent:
    """Let beat run through some time, from a start."""
    with noted() as sent, time_machine.travel(start, tick=False) as clock:
        run_beat(Scheduler(app=app), clock, start + timedelta(**length))
    return sent


# --- through the days


@pytest.mark.slow
def test_in_a_day_each_task_is_sent_as_often_as_it_should() -> None:
    start = datetime(2026, 12, 24, tzinfo=UTC)
    sent = beat(beat_app(), start, hours=24)
    times = {task: [at for name, at in sent if name == task] for task in Counter(dict(sent))}

    assert set(times) == {"tasks.count", "tasks.clean_up", "tasks.report"}
    assert len(times["tasks.count"]) == pytest.approx(1440, abs=2)
    for one, other in pairwise(times["tasks.count"]):
        assert timedelta(seconds=59) < other - one < timedelta(seconds=62)
    cleaned = [at.replace(second=0, microsecond=0) for at in times["tasks.clean_up"]]
    assert cleaned == [start + timedelta(hours=hour, minutes=15) for hour in range(24)]
    assert [f"{at:%H:%M}" for at in times["tasks.report"]] == ["07:30"]


@pytest.mark.parametrize(
    ("first_day", "offsets"),
    [
        pytest.param(datetime(2026, 10, 24, tzinfo=BERLIN), [2, 1, 1], id="autumn-2026"),
        pytest.param(datetime(2027, 3, 27, tzinfo=BERLIN), [1, 2, 2], id="spring-2027"),
    ],
)
def test_the_report_comes_at_half_past_seven_in_summer_and_in_winter(
    first_day: datetime, offsets: list[int]
) -> None:
    app = beat_app("Europe/Berlin", only="report")
    sent = [at.astimezone(BERLIN) for _, at in beat(app, first_day.astimezone(UTC), days=3)]
    days = [first_day.day + number for number in range(3)]
    assert [(at.day, f"{at:%H:%M}") for at in sent] == [(day, "07:30") for day in days]
    assert [at.utcoffset() for at in sent] == [timedelta(hours=hours) for hours in offsets]


@pytest.mark.parametrize(
    ("timezone", "in_utc"),
    [
        ("UTC", "07:30"),
        ("Europe/Berlin", "06:30"),
        ("Asia/Kolkata", "02:00"),
        ("Asia/Shanghai", "23:30"),
    ],
)
def test_a_crontab_is_read_in_the_time_zone_of_the_setting(timezone: str, in_utc: str) -> None:
    app = beat_app(timezone, only="report")
    sent = beat(app, datetime(2026, 12, 24, tzinfo=UTC), hours=24)
    assert [f"{at:%H:%M}" for _, at in sent] == [in_utc]


def test_ticks_dont_pile_up_while_no_worker_runs() -> None:
    for entry in beat_app().conf.beat_schedule.values():
        assert 60 <= entry["options"]["expires"] < 86400


# --- what beat remembers


def test_a_report_that_was_missed_is_sent_once_when_beat_is_back(tmp_path: Path) -> None:
    """Its file says when each was sent last. Three mornings missed are one report."""
    app = beat_app(only="report")

    def run(begin: datetime, end: datetime) -> list[datetime]:
        with noted() as sent, time_machine.travel(begin, tick=False) as clock:
            scheduler = PersistentScheduler(app=app, schedule_filename=str(tmp_path / "beat"))
            run_beat(scheduler, clock, end)
            scheduler.close()
        return [at.replace(second=0, microsecond=0) for _, at in sent]

    def at(day: int, hour: int, minute: int = 0) -> datetime:
        return datetime(2026, 12, day, hour, minute, tzinfo=UTC)

    assert run(at(24, 6), at(24, 20)) == [at(24, 7, 30)]
    assert run(at(25, 6), at(25, 7)) == [], "nothing was missed"
    assert run(at(25, 9), at(25, 20)) == [at(25, 9)], "late, but once"
    assert run(at(29, 9), at(29, 20)) == [at(29, 9)], "once for three mornings"
    for file in tmp_path.glob("beat*"):
        file.unlink()
    assert run(at(30, 9), at(30, 20)) == [], "without its file it knows of nothing that was missed"


# --- from beat to the diary


@pytest.fixture
def paused_beat(lab: ChapterRun) -> Iterator[None]:
    """Let the lab's own beat send nothing for a while, or it would write entries of its own."""
    with paused(lab, "beat"):
        yield


@pytest.fixture
def reports(api: Any) -> Iterator[Callable[[], int]]:
    """Return what counts the reports that came by mail; today's is as if it never was written."""
    api.query("delete from letter where id like 'report-%'")
    yield lambda: sum(letter["copies"] for letter in api.letters(OWNER))
    api.query("delete from letter where id like 'report-%'")


def entries(api: Any, task: str) -> list[Any]:
    sql = "select written_at, text from diary_entry where task = ? order by id"
    found: list[Any] = api.query(sql, task)
    return found


@pytest.mark.usefixtures("paused_beat")
def test_a_tick_reaches_a_worker_that_writes_the_diary(
    api: Any, celery: Celery, reports: Callable[[], int]
) -> None:
    tasks = ["tasks.count", "tasks.clean_up", "tasks.report"]
    before = [len(entries(api, task)) for task in tasks]
    had = reports()
    celery.conf.beat_schedule = runpy.run_path(str(SCHEDULE_FILE))["SCHEDULE"]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(hour=7, minute=0)
    with time_machine.travel(tomorrow) as clock:
        scheduler = Scheduler(app=celery)
        scheduler.tick()
        assert [len(entries(api, task)) for task in tasks] == before, "not yet"
        clock.move_to(tomorrow.replace(minute=30, second=1))
        while scheduler.tick() == 0:
            pass
        scheduler.close()

    for task, number in zip(tasks, before, strict=True):
        wait_until(lambda: len(entries(api, task)) == number + 1, f"an entry of {task}")  # noqa: B023
    diary = api.get("/diary")["entries"]
    assert {entry["task"] for entry in diary[:3]} == set(tasks)
    assert sorted(diary, key=lambda entry: -entry["written_at"]) == diary, "the latest first"
    wait_until(lambda: reports() == had + 1, "the report by mail")


# --- the tasks


def said(api: Any, celery: Celery, task: str) -> str:
    """Have a task done by the worker; return what it says, which is in the diary, too."""
    text: str = celery.send_task(task).get(timeout=20)
    assert entries(api, task)[-1][1] == text
    return text


@pytest.mark.usefixtures("paused_beat")
def test_a_report_that_is_asked_for_twice_is_one_letter(
    api: Any, celery: Celery, reports: Callable[[], int]
) -> None:
    had, today = reports(), datetime.now(UTC).date()
    first, second = (said(api, celery, "tasks.report") for _ in range(2))
    assert first == f"The report of {today} goes to {OWNER}."
    assert second == f"The report of {today} was written before."
    wait_until(lambda: reports() == had + 1, "the report")
    [letter] = api.letters(OWNER)
    assert letter["subject"] == f"Report of {today}"
    assert letter["text"].startswith("Photos developed: ")
    assert letter["has_print"] is False


@pytest.mark.usefixtures("paused_beat")
def test_statistics_count_what_was_developed(api: Any, celery: Celery, small_photo: bytes) -> None:
    def developed() -> int:
        text = said(api, celery, "tasks.count")
        found = re.fullmatch(r"Photos developed: (\d+), published: \d+\.", text)
        assert found
        return int(found[1])

    before = developed()
    api.developed(small_photo)
    api.until(api.accepted(api.upload(small_photo[:-300])), "FAILURE")
    assert developed() == before + 1


@pytest.mark.usefixtures("paused_beat")
def test_cleaning_up_deletes_only_what_is_unfinished_and_old(api: Any, celery: Celery) -> None:
    folder = api.lab.folder / "lab"
    (folder / "prints/some").mkdir(parents=True, exist_ok=True)
    hours = {"prints/old.part": 2, "prints/some/old.part": 1.01, "new.part": 0.99, "old.jpg": 48}
    for name, age in hours.items():
        (folder / name).write_bytes(bytes(600_000))
        os.utime(folder / name, (time.time() - age * 3600,) * 2)
    try:
        assert said(api, celery, "tasks.clean_up") == "Files deleted: 2 (1,200,000 bytes)."
        left = [name for name in hours if (folder / name).exists()]
        assert left == ["new.part", "old.jpg"]
        assert said(api, celery, "tasks.clean_up") == "Files deleted: 0 (0 bytes)."
    finally:
        for name in hours:
            (folder / name).unlink(missing_ok=True)


REPORT = """
import time_machine
from make_celery import flask_app
from lab.periodic import report
flask_app.test_cli_runner().invoke(args=["init-db"])
with time_machine.travel("2026-12-31T23:30:00+00:00"):
    print(report())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("timezone", "day"),
    [("UTC", "2026-12-31"), ("Europe/Berlin", "2027-01-01"), ("America/New_York", "2026-12-31")],
)
def test_the_day_of_a_report_is_that_of_the_time_zone(
    run: Callable[..., str], tmp_path: Path, timezone: str, day: str
) -> None:
    environment = {
        "CELERY_BROKER_URL": "memory://",
        "LAB_CELERY__timezone": timezone,
        "LAB_DIR": str(tmp_path),
    }
    text = run(f"python - <<'END'{REPORT}END", **environment)
    assert text.startswith(f"The report of {day} goes to"), text
