"""Say in words when beat sends a task."""

from datetime import timedelta
from typing import Any

from celery.schedules import crontab


def describe_schedule(schedule: Any) -> str:
    """Return what a schedule means, in words."""
    if isinstance(schedule, timedelta):
        return f"every {describe_interval(schedule)}"
    if isinstance(schedule, crontab):
        return describe_clock(schedule) + describe_days(schedule)
    return str(schedule)


def describe_interval(interval: timedelta) -> str:
    """Return a length of time in words."""
    minutes = interval / timedelta(minutes=1)
    if minutes == 1:
        return "minute"
    if minutes == int(minutes):
        return f"{minutes:.0f} minutes"
    return f"{interval.total_seconds():g} seconds"


def describe_days(crontab: Any) -> str:
    """Return the days of a crontab; nothing if it is every day."""
    days = {
        "day of the week": crontab._orig_day_of_week,
        "day of the month": crontab._orig_day_of_month,
        "month": crontab._orig_month_of_year,
    }
    limits = [f"the {name} is {value}" for name, value in days.items() if value != "*"]
    return f", if {' and '.join(limits)}" if limits else ""


def describe_clock(crontab: Any) -> str:
    """Return the times of a crontab."""
    hour, minute = str(crontab._orig_hour), str(crontab._orig_minute)
    if hour.isdecimal() and minute.isdecimal():
        return f"each day at {int(hour):02}:{int(minute):02}"
    if hour == "*" and minute == "*":
        return "every minute"
    if hour == "*":
        return f"each hour at minute {minute}"
    return f"at hour {hour}, minute {minute}"
