"""What stands beside the photos: the mail that arrived, the lab's diary."""

from typing import Any

from flask import Blueprint, Response, abort, current_app, request
from flask.typing import ResponseReturnValue

from lab.db import db, folder
from lab.nightly import Entry
from mailroom import MOODS, arrived, mood, mood_file

lab = Blueprint("beside", __name__)


@lab.get("/mail")
def mail() -> dict[str, Any]:
    """List what arrived at the mail server, and say how that is disposed."""
    letters = [
        letter | {"sheet": letter["sheet"] is not None} for letter in arrived(folder("mail"))
    ]
    return {"mood": mood(folder("mail")), "moods": MOODS, "letters": letters}


@lab.post("/mail/mood")
def set_mood() -> ResponseReturnValue:
    """Tell the mail server what to do with letters from now on."""
    wanted = request.form.get("mood", "")
    if wanted not in MOODS:
        abort(422, f"Send a form in which 'mood' is one of {', '.join(MOODS)}.")
    mood_file(folder("mail")).write_text(wanted)
    return {"mood": wanted}


@lab.get("/mail/<letter_id>/sheet.jpg")
def sheet(letter_id: str) -> ResponseReturnValue:
    """Hand out the contact sheet that came with a letter."""
    found = [letter["sheet"] for letter in arrived(folder("mail")) if letter["id"] == letter_id]
    return Response(found[0], mimetype="image/jpeg") if found and found[0] else abort(404)


@lab.get("/diary")
def diary() -> dict[str, Any]:
    """List the latest entries, and what beat is told to send."""
    latest = db.session.scalars(db.select(Entry).order_by(Entry.at.desc()).limit(12))
    conf = current_app.extensions["celery"].conf
    return {
        "entries": [{"task": entry.task, "at": entry.at, "said": entry.said} for entry in latest],
        "schedule": [
            {"name": name, "task": entry["task"], "when": str(entry["schedule"]).strip("<>")}
            for name, entry in conf.beat_schedule.items()
        ],
        "timezone": str(conf.timezone),
    }
