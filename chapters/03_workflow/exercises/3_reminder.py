"""A reminder at noon, on the clock of the place where it is read.

A photo that is still not published on some day is worth a letter to the lab's owner.

| `schedule_reminder(photo_id, day, zone)` sends a message | |
| --- | --- |
| task, arguments | tasks.remind, with the photo's id |
| it may begin | at 12:00 of that day in that zone |
| it is too late | when that day ends in that zone: then it is dropped |
| called twice for a photo and a day | both messages have the same task id |

| `remind(photo_id)` is what a worker does at noon | it returns |
| --- | --- |
| the photo is published meanwhile: nothing | "not needed" |
| else one letter, sent by `deliver` | "sent" |
| a reminder for this photo was sent before, on any day: nothing | "sent before" |

`make check CHAPTER=03` reads the messages, and runs the task.
"""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from celery import shared_task
from flask import current_app

from lab.db import db
from lab.letters import deliver, write_letter
from lab.models import Letter, Photo


def schedule_reminder(photo_id: str, day: date, zone: ZoneInfo) -> None:
    """Send the task `remind` for noon of a day in a zone."""
    noon = datetime.combine(day, time(12))  # TODO: whose noon is this?
    remind.apply_async((photo_id,), eta=noon)  # TODO: too late? twice?


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
    write_letter(letter)  # TODO: published meanwhile? written before?
    deliver.delay(letter.id)
    return "sent"
