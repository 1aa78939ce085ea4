"""Right as well: days by their numbers, a zone by its object, and a copy that is filled."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from celery.schedules import crontab

from lab.schedule import SCHEDULE

schedule: dict[str, Any] = {name: dict(entry) for name, entry in SCHEDULE.items()}
schedule["last-call"] = {
    "task": "tasks.count",
    "schedule": crontab("45", "17", "1,2,3,4,5"),
    "options": {"expires": timedelta(minutes=10).total_seconds()},
}
SETTINGS = {"beat_schedule": schedule, "timezone": ZoneInfo("Europe/Berlin")}
