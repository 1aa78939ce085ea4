"""Last call: every weekday, a quarter of an hour before the shop closes.

A crontab has no time zone of its own: all of them are read in that of the setting `timezone`. At
17:45 in UTC the shop would long be closed. 16:45 in UTC would do in winter, and come an hour late
in summer.
"""

from typing import Any

from celery.schedules import crontab

from lab.schedule import SCHEDULE

LAST_CALL = {
    "task": "tasks.count",
    "schedule": crontab(
        hour=17, minute=45, day_of_week="mon-fri"
    ),  # in numbers 1-5, Sunday is 0
    "options": {"expires": 15 * 60},  # seconds: until six
}

# What `create_app` is given as {"CELERY": SETTINGS}. It wins over the lab's own, name by name.
SETTINGS: dict[str, Any] = {
    "timezone": "Europe/Berlin",  # it knows when the clocks change
    "beat_schedule": SCHEDULE
    | {"last-call": LAST_CALL},  # a new dict: SCHEDULE stays as it is
}
