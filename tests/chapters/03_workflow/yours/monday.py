"""What the lesson has you add to lab/schedule.py."""

from celery.schedules import crontab

from lab.schedule import SCHEDULE

SCHEDULE["monday"] = {
    "task": "tasks.clean_up",
    "schedule": crontab(hour=4, minute=0, day_of_week="mon"),
    "options": {"expires": 3600},
}
