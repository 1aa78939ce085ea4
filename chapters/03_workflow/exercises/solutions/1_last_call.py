"""Last call: the statistics, shortly before the lab's shop in Berlin closes.

A crontab has no time zone of its own: all of them are read in that of the setting
`timezone`. 17:45 in UTC would be too late. 16:45 in UTC would be right in winter only.
"""

from typing import Any

from celery.schedules import crontab

from lab.schedule import SCHEDULE

LAST_CALL = {
    "task": "tasks.count",
    "schedule": crontab(hour=17, minute=45, day_of_week="mon-fri"),
    "options": {"expires": 15 * 60},  # seconds: until 18:00
}

# `create_app` is given {"CELERY": SETTINGS}. Each of these replaces the lab's setting.
SETTINGS: dict[str, Any] = {
    "timezone": "Europe/Berlin",  # it knows when the clocks change
    "beat_schedule": SCHEDULE | {"last-call": LAST_CALL},  # a new dict
}
