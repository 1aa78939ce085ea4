"""Read the messages that the answer sends, then run its task."""

import importlib
import json
from base64 import b64decode
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from celery import Celery
from flask import Flask
from redis import Redis

from lab import create_app
from lab.db import db
from lab.models import Letter, Photo
from workbench.chapter_run import ChapterRun

PLACES = [  # a zone, a day, its noon and its end in UTC
    ("Asia/Shanghai", "2030-01-15", "2030-01-15T04:00", "2030-01-15T16:00"),
    ("America/Bogota", "2030-01-15", "2030-01-15T17:00", "2030-01-16T05:00"),
    ("Europe/Berlin", "2030-01-15", "2030-01-15T11:00", "2030-01-15T23:00"),
    ("Europe/Berlin", "2030-07-15", "2030-07-15T10:00", "2030-07-15T22:00"),
    ("Europe/Berlin", "2030-03-31", "2030-03-31T10:00", "2030-03-31T22:00"),
]
SCHEDULING, TASK = "Look at schedule_reminder.", "Look at remind."


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Look at times and ids, then at what is done at noon."""
    app = create_app()
    app.test_cli_runner().invoke(args=["init-db"])
    module = importlib.import_module(answer.stem)
    broker = Redis.from_url(chapter_run.broker_url)
    celery: Celery = app.extensions["celery"]

    def sent() -> list[dict[str, Any]]:
        """Return the messages in the queue, the oldest first; and empty it."""
        found = broker.lrange(celery.conf.task_default_queue, 0, -1)
        broker.delete(celery.conf.task_default_queue)
        return [json.loads(message) for message in reversed(found)]

    def scheduled(photo_id: str, day: str, zone: str) -> dict[str, Any]:
        """Let the answer schedule a reminder, and return its message."""
        module.schedule_reminder(photo_id, date.fromisoformat(day), ZoneInfo(zone))
        messages = sent()
        assert len(messages) == 1, (
            f"Expected one message, but got {len(messages)}. {SCHEDULING}"
        )
        return messages[0]

    for zone, day, noon, midnight in PLACES:
        message = scheduled("lake", day, zone)
        headers, body = message["headers"], json.loads(b64decode(message["body"]))
        assert (headers["task"], body[0]) == ("tasks.remind", ["lake"]), (
            f"Expected tasks.remind with ['lake'], but got {headers['task']} with "
            f"{body[0]}. {SCHEDULING}"
        )
        eta = in_utc(headers["eta"])
        assert eta == noon, (
            f"Expected {noon} in UTC, for noon of {day} in {zone}, but a worker would "
            f"begin at {eta}. {SCHEDULING}"
        )
        expires = in_utc(headers["expires"])
        assert expires == midnight, (
            f"Expected a message that expires at {midnight} in UTC, the end of {day} "
            f"in {zone}, but got {expires}. {SCHEDULING}"
        )

    day, zone = "2030-01-15", "Asia/Shanghai"
    one, two, other, later = (
        scheduled(*what)["headers"]["id"]
        for what in (
            ("lake", day, zone),
            ("lake", day, zone),
            ("dunes", day, zone),
            ("lake", "2030-01-16", zone),
        )
    )
    assert one == two, (
        f"Expected the same task id for the same photo and day, but got {one} and "
        f"{two}. {SCHEDULING}"
    )
    assert len({one, other, later}) == 3, (
        f"Expected other task ids for another photo, and for another day, but got "
        f"{one}, {other} and {later}. {SCHEDULING}"
    )

    add_photos(app)
    published = celery.tasks["tasks.remind"]("dunes")
    assert (published, letters(app), len(sent())) == ("not needed", [], 0), (
        f"Expected 'not needed' and no letter for a published photo, but got "
        f"{published!r} and {len(letters(app))} letters. {TASK}"
    )
    first = celery.tasks["tasks.remind"]("lake")
    delivered = [message["headers"]["task"] for message in sent()]
    assert (first, len(letters(app)), delivered) == ("sent", 1, ["tasks.deliver"]), (
        f"Expected 'sent', one letter and one tasks.deliver, but got {first!r}, "
        f"{len(letters(app))} letters and {delivered}. {TASK}"
    )
    second = celery.tasks["tasks.remind"]("lake")
    delivered = [message["headers"]["task"] for message in sent()]
    assert (second, len(letters(app)), delivered) == ("sent before", 1, []), (
        f"Expected 'sent before' and nothing more the second time, but got {second!r} "
        f"and {delivered}. {TASK}"
    )


def in_utc(text: str | None) -> str:
    """Return a time in UTC, as a worker reads it: a naive one is UTC already."""
    if text is None:
        return "never"
    found = datetime.fromisoformat(text)
    aware = found.astimezone(UTC) if found.tzinfo else found
    return f"{aware:%Y-%m-%dT%H:%M}"


def add_photos(app: Flask) -> None:
    """Add a photo that isn't published, and one that is."""
    with app.app_context():
        db.session.add(Photo(id="lake", name="lake.jpg"))
        db.session.add(Photo(id="dunes", name="dunes.jpg", published_at=1.0))
        db.session.commit()


def letters(app: Flask) -> list[str]:
    """Return the ids of all letters."""
    with app.app_context():
        return list(db.session.scalars(db.select(Letter.id)))
