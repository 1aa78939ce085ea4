"""The views."""

from uuid import uuid4

from flask import Blueprint, abort, current_app, request, url_for
from flask.typing import ResponseReturnValue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from words.models import Text, db
from words.tasks import count_words

DAY = 24 * 60 * 60  # seconds
bp = Blueprint("texts", __name__)
DOWN = (OperationalError, RedisError, RuntimeError)  # kombu's, redis-py's, Celery's


@bp.post("/texts")
def add_text() -> ResponseReturnValue:
    """Write a text down, commit, and only then send its task."""
    text = Text(id=str(uuid4()), body=request.get_data(as_text=True))
    db.session.add(text)
    db.session.commit()
    try:
        count_words.apply_async((text.id,), task_id=text.id, expires=DAY)
    except DOWN:
        db.session.delete(text)  # a task that was sent all the same finds no row
        db.session.commit()
        abort(503, "The queue can't be reached. Try again soon.")
    location = url_for(".get_text", text_id=text.id)
    return {"id": text.id}, 202, {"Location": location}


@bp.get("/texts/<text_id>")
def get_text(text_id: str) -> dict[str, object]:
    """Say how a text is doing; 404 for an id that was never issued."""
    text = db.get_or_404(Text, text_id)
    result = current_app.extensions["celery"].AsyncResult(text.id)
    try:
        return {"id": text.id, "state": result.state, "words": text.words}
    except DOWN:
        abort(503, "The state can't be asked for. Try again soon.")
