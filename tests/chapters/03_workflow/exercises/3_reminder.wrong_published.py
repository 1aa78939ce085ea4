"""Wrong: doesn't look whether the photo is published meanwhile."""

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
