"""What beat asks for: statistics, a clean-up, a report. Each may run twice, and does no harm."""

import time
from contextlib import suppress
from typing import Any

from celery import Task, shared_task
from flask import current_app
from sqlalchemy.orm import Mapped, mapped_column

from lab.db import Base, db, folder
from lab.models import Album, Photo
from lab.post import Letter, deliver, write

OLD = 3600  # seconds: nobody works that long on a temporary file


class Entry(Base):
    """A line in the lab's diary."""

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    task: Mapped[str]
    at: Mapped[float] = mapped_column(default=time.time)
    said: Mapped[str]


def note(task: Task[Any, Any], said: str) -> str:
    """Write a line into the diary, and return it."""
    db.session.add(Entry(task=task.name, said=said))
    db.session.commit()
    return said


def statistics() -> str:
    """Say what the lab has done so far."""
    developed = db.select(db.func.count(Photo.developed), db.func.avg(Photo.seconds))
    photos, seconds = db.session.execute(developed).one()
    albums = db.session.scalar(db.select(db.func.count(Album.ordered)))
    return f"{photos} photos developed, {seconds or 0:.1f} s each; {albums} albums ordered."


@shared_task(name="tasks.count", bind=True)
def count(self: Task[Any, Any]) -> str:
    """Note the statistics."""
    return note(self, statistics())


@shared_task(name="tasks.clean_up", bind=True)
def clean_up(self: Task[Any, Any]) -> str:
    """Delete what killed workers left behind: files that were begun and never finished."""
    freed = []  # bytes
    for part in list(folder("").rglob("*.part")):
        with suppress(FileNotFoundError):  # finished meanwhile, or deleted by another clean-up
            found = part.stat()
            if time.time() - found.st_mtime > OLD:
                part.unlink()
                freed.append(found.st_size)
    return note(self, f"{len(freed)} files deleted, {sum(freed):,} bytes.")


@shared_task(name="tasks.report", bind=True)
def report(self: Task[Any, Any]) -> str:
    """Mail the statistics of the day: a letter that has the day's name, so there is only one."""
    day = self.app.now().date()  # in the time zone of the setting `timezone`
    to, subject = current_app.config["OWNER"], f"Report of {day}"
    if not write(Letter(id=f"report-{day}", to=to, subject=subject, text=statistics())):
        return note(self, f"The report of {day} was written before.")
    deliver.delay(f"report-{day}")
    return note(self, f"The report of {day} goes to {to}.")
