"""A reminder at noon, on the clock of the place where it is read.

ETA and expiry are two aware times. The task id is made of what the reminder is about,
so two messages are one task to whoever looks at states. It may still run twice: what
makes that harmless is the letter's id, which the database knows only once.
"""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from celery import shared_task
from flask import current_app

from lab.db import db
from lab.letters import deliver, write_letter
from lab.models import Letter, Photo


def schedule_reminder(photo_id: str, day: date, zone: ZoneInfo) -> None:
    """Send the task `remind` for noon of a day in a zone."""
    noon = datetime.combine(day, time(12), tzinfo=zone)
    midnight = datetime.combine(day + timedelta(days=1), time(0), tzinfo=zone)
    task_id = f"reminder-{photo_id}-{day}"
    remind.apply_async((photo_id,), eta=noon, expires=midnight, task_id=task_id)


@shared_task(name="tasks.remind")
def remind(photo_id: str) -> str:
    """Write to the owner that a photo isn't published yet."""
    photo = db.session.get_one(Photo, photo_id)
    if photo.published_at is not None:
        return "not needed"
    letter = Letter(
        id=f"reminder-{photo.id}",
        to=current_app.config["OWNER"],
        subject="Not published yet",
        text=f"{photo.name} is not published yet.\n",
    )
    if not write_letter(letter):
        return "sent before"
    deliver.delay(f"reminder-{photo_id}")
    return "sent"
