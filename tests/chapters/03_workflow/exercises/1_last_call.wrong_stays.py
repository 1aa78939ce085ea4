"""Wrong: without a worker, the messages of many days pile up."""

from celery.schedules import crontab

from lab.schedule import SCHEDULE

LAST_CALL = {
    "task": "tasks.count",
    "schedule": crontab(hour=17, minute=45, day_of_week="mon-fri"),
}
SETTINGS = {"timezone": "Europe/Berlin", "beat_schedule": SCHEDULE | {"last-call": LAST_CALL}}
