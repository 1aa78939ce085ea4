"""The lab's diary: what the periodic tasks have done, for the page to show."""

import time
from typing import Any

from flask import Blueprint, current_app
from sqlalchemy.orm import Mapped, mapped_column

from lab.db import Base, db
from support.schedules import describe_schedule

bp = Blueprint("diary", __name__)


class DiaryEntry(Base):
    """What a periodic task has done."""

    __tablename__ = "diary_entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    task: Mapped[str]
    written_at: Mapped[float] = mapped_column(default=time.time)
    text: Mapped[str]


def write_diary(task: str, text: str) -> str:
    """Write an entry into the diary, and return its text."""
    db.session.add(DiaryEntry(task=task, text=text))
    db.session.commit()
    return text


@bp.get("/diary")
def list_diary() -> dict[str, Any]:
    """List the latest entries, and what beat sends, in words."""
    latest = db.select(DiaryEntry).order_by(DiaryEntry.written_at.desc()).limit(12)
    conf = current_app.extensions["celery"].conf
    return {
        "entries": [describe_entry(entry) for entry in db.session.scalars(latest)],
        "schedule": [describe_plan(*plan) for plan in conf.beat_schedule.items()],
        "timezone": str(conf.timezone),
    }


def describe_entry(entry: DiaryEntry) -> dict[str, Any]:
    """Return what the page shows of an entry."""
    return {"task": entry.task, "written_at": entry.written_at, "text": entry.text}


def describe_plan(name: str, plan: dict[str, Any]) -> dict[str, str]:
    """Return what the page shows of an entry in the schedule."""
    when = describe_schedule(plan["schedule"])
    return {"name": name, "task": plan["task"], "when": when}
