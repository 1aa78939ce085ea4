"""Wrong: counts the days from Monday, as Python does; crontabs count from Sunday."""

from celery.schedules import crontab

from lab.schedule import SCHEDULE

LAST_CALL = {
    "task": "tasks.count",
    "schedule": crontab(hour=17, minute=45, day_of_week="0-4"),
    "options": {"expires": 900},
}
SETTINGS = {"timezone": "Europe/Berlin", "beat_schedule": SCHEDULE | {"last-call": LAST_CALL}}
