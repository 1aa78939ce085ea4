"""What beat sends, and when. The setting `timezone` is the zone of the crontabs."""

from datetime import timedelta

from celery.schedules import crontab

SCHEDULE = {
    "statistics": {
        "task": "tasks.count",
        "schedule": timedelta(minutes=1),  # each time a minute has passed
        "options": {"expires": 60},  # seconds: without a worker they don't pile up
    },
    "clean-up": {
        "task": "tasks.clean_up",
        "schedule": crontab(minute=15),  # each hour, at a quarter past
        "options": {"expires": 3600},
    },
    "report": {
        "task": "tasks.report",
        "schedule": crontab(hour=7, minute=30),  # each day at 07:30
        "options": {"expires": 12 * 3600},
    },
}
