"""Right as well: times in UTC, an id of another form, and a look at the table first."""

from datetime import UTC, date, datetime, timedelta
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from celery import shared_task
from flask import current_app

from lab.db import db
from lab.letters import deliver, write_letter
from lab.models import Letter, Photo


def schedule_reminder(photo_id: str, day: date, zone: ZoneInfo) -> None:
    """Count from the day's beginning, by the clock on the wall."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    noon, end = start.replace(hour=12), start + timedelta(days=1)
    remind.apply_async(
        kwargs=None,
        args=[photo_id],
        eta=noon.astimezone(UTC),
        expires=end.astimezone(UTC),
        task_id=str(uuid5(NAMESPACE_URL, f"{photo_id} {day} {zone}")),
    )


@shared_task(name="tasks.remind")
def remind(photo_id: str) -> str:
    """Say what was done."""
    photo = db.session.get_one(Photo, photo_id)
    if photo.published_at:
        return "not needed"
    letter_id = f"reminder-{photo.id}"
    to = current_app.config["OWNER"]
    if write_letter(Letter(id=letter_id, to=to, subject="Publish", text=photo.name)):
        deliver.apply_async((letter_id,))
        return "sent"
    return "sent before"
