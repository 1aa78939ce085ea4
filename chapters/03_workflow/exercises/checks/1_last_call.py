"""Turn the clock through three weeks, and ask beat's scheduler what it would send."""

import importlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from celery.beat import ScheduleEntry, Scheduler
from redis import Redis

from lab import create_app
from lab.schedule import SCHEDULE
from workbench.chapter_run import ChapterRun

NAME, TASK, BERLIN = "last-call", "tasks.count", ZoneInfo("Europe/Berlin")
BEFORE = {name: entry["task"] for name, entry in SCHEDULE.items()}
WEEKS = {  # a Thursday morning, and what comes until Tuesday at noon
    datetime(2025, 1, 16, 8, tzinfo=UTC): "in the third week of January",
    datetime(
        2025, 3, 27, 8, tzinfo=UTC
    ): "when the clocks go forward (on 30 March 2025)",
    datetime(
        2025, 10, 23, 8, tzinfo=UTC
    ): "when the clocks go back (on 26 October 2025)",
}
WANTED = ["Thu 17:45", "Fri 17:45", "Mon 17:45"]


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Look at the schedule, turn the clock, send the message."""
    settings = importlib.import_module(answer.stem).SETTINGS
    app = create_app({"CELERY": settings})
    celery = app.extensions["celery"]
    scheduler: Any = Scheduler(celery)
    entries: dict[str, ScheduleEntry] = scheduler.schedule
    assert NAME in entries, (
        f'Expected an entry "{NAME}" in beat\'s schedule, but there are only: '
        f"{', '.join(entries)}. Look at SETTINGS."
    )
    lost = [
        name
        for name, task in BEFORE.items()
        if getattr(entries.get(name), "task", "") != task
    ]
    assert not lost, (
        f"Expected the lab's own entries, too, but these are lost: {', '.join(lost)}. "
        "Look at beat_schedule: it replaces the lab's."
    )
    entry = entries[NAME]
    assert entry.task == TASK, f"Expected the task {TASK}, but got {entry.task}."

    for start, when in WEEKS.items():
        times = [f"{time.astimezone(BERLIN):%a %H:%M}" for time in sent(entry, start)]
        assert times == WANTED, (
            f"Expected {', '.join(WANTED)} on Berlin's clocks, from Thursday to "
            f"Tuesday noon, {when}, but got {shown(times)}. "
            "Look at the crontab and its zone."
        )

    before = datetime.now(UTC)
    scheduler.apply_async(entry, advance=False)
    redis = Redis.from_url(chapter_run.broker_url)
    [message] = redis.lrange(celery.conf.task_default_queue, 0, -1)
    expires = json.loads(message)["headers"]["expires"]
    assert expires, (
        "Expected a message that expires after 15 minutes, but it never does. "
        "Look at the entry's options."
    )
    minutes = (datetime.fromisoformat(expires) - before) / timedelta(minutes=1)
    assert 1 < minutes < 15.5, (
        f"Expected a message that expires after 15 minutes, but got {minutes:.0f} "
        "minutes. Look at the entry's options."
    )


def sent(entry: ScheduleEntry, start: datetime) -> list[datetime]:
    """Return when beat would send an entry in the five days after its start."""
    moment, times = start, []
    turn_clock(entry.schedule, lambda: moment)
    entry.last_run_at = entry.default_now()
    while moment < start + timedelta(days=5, hours=4):
        is_due, seconds = entry.is_due()
        if is_due:
            times.append(moment)
            entry = next(entry)  # which notes the time
        moment += timedelta(
            seconds=min(max(seconds, 1), 300)
        )  # beat sleeps no longer than that
    return times


def turn_clock(schedule: Any, now: Callable[[], datetime]) -> None:
    """Let a schedule take its time from `now`, in the zone that its own clock shows."""
    zone: tzinfo | None = schedule.now().tzinfo
    schedule.nowfun = lambda: now().astimezone(zone)


def shown(times: list[str]) -> str:
    """Return times as a list that fits a line."""
    return (
        ", ".join(times[:6]) + (f", and {len(times) - 6} more" if times[6:] else "")
        or "none"
    )
