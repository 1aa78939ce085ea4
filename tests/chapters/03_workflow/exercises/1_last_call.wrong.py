"""Wrong: in UTC, which is right for half of the year."""

from celery.schedules import crontab

from lab.schedule import SCHEDULE

LAST_CALL = {
    "task": "tasks.count",
    "schedule": crontab(hour=16, minute=45, day_of_week="mon-fri"),
    "options": {"expires": 900},
}
SETTINGS = {"beat_schedule": SCHEDULE | {"last-call": LAST_CALL}}
