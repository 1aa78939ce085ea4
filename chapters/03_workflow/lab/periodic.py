"""The tasks that beat sends. Each may run twice: that does no harm."""

from pathlib import Path

from celery import Task, shared_task
from flask import current_app

from lab.db import db
from lab.letters import deliver, write_letter
from lab.models import Letter, Photo
from support.diary import write_diary
from support.unfinished_files import delete_unfinished


@shared_task(name="tasks.count", bind=True)
def count(self: Task) -> str:
    """Write the statistics into the diary."""
    return write_diary(self.name, statistics())


@shared_task(name="tasks.clean_up", bind=True)
def clean_up(self: Task) -> str:
    """Delete the unfinished files that killed workers have left."""
    sizes = delete_unfinished(Path(current_app.config["DIR"]), older_than=3600)
    return write_diary(
        self.name, f"Files deleted: {len(sizes)} ({sum(sizes):,} bytes)."
    )


@shared_task(name="tasks.report", bind=True)
def report(self: Task) -> str:
    """Mail the statistics of the day, once: the letter's id is the day."""
    day = self.app.now().date()  # in the time zone of the setting `timezone`
    letter = Letter(
        id=f"report-{day}",
        to=current_app.config["OWNER"],
        subject=f"Report of {day}",
        text=statistics(),
    )
    if not write_letter(letter):
        return write_diary(self.name, f"The report of {day} was written before.")
    deliver.delay(f"report-{day}")
    return write_diary(self.name, f"The report of {day} goes to {letter.to}.")


def statistics() -> str:
    """Say what the lab has done so far."""
    numbers = db.select(
        db.func.count(Photo.developed_at), db.func.count(Photo.published_at)
    )
    developed, published = db.session.execute(numbers).one()
    return f"Photos developed: {developed}, published: {published}."
