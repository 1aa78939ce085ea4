"""Wrong: takes the place of the lab's own schedule."""

from celery.schedules import crontab

LAST_CALL = {
    "task": "tasks.count",
    "schedule": crontab(hour=17, minute=45, day_of_week="mon-fri"),
    "options": {"expires": 900},
}
SETTINGS = {"timezone": "Europe/Berlin", "beat_schedule": {"last-call": LAST_CALL}}
