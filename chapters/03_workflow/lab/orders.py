"""An order: written down, committed, sent. Later: how it stands."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import Task
from celery.backends.base import DisabledBackend
from flask import abort, current_app, url_for

from lab.celery_app import KEPT_SECONDS
from lab.db import db
from lab.models import Album, Order, Photo
from support import counter, problems

KEPT = timedelta(seconds=KEPT_SECONDS)


def place(
    task: Task[Any, Any],
    *args: str | float,
    photo: Photo | None = None,
    album: Album | None = None,
    eta: datetime | None = None,
) -> Order:
    """Write the order down, commit, and only then send the task, to be done at `eta` (aware)."""
    due = eta.timestamp() if eta else None
    order = Order(task=task.name, photo=photo, album=album, due=due)
    db.session.add(order)
    db.session.commit()
    until = (eta or datetime.now(UTC)) + KEPT
    with problems.if_not_sent(order.id, forget=lambda: forget(order)):
        task.apply_async(args, task_id=order.id, eta=eta, expires=until)  # type: ignore[arg-type]
    return order


def standing(order: Order) -> dict[str, object] | None:
    """Return how an order stands: we know the order, Celery knows its state. None if expired."""
    found = current_app.extensions["celery"].AsyncResult(order.id)
    if isinstance(found.backend, DisabledBackend):
        abort(503, "There is no result backend to ask: name one in CELERY_RESULT_BACKEND.")
    receipt = counter.receipt(found, order.task, lambda: print_url(order)) | {"progress": None}
    info = found.info if receipt["state"] in ("PROGRESS", "RETRY") else None
    if isinstance(info, dict) and "total" in info:  # what the task says of itself
        receipt["progress"] = info
    elif isinstance(info, Exception):  # why it will be tried again
        receipt["error"] = {"type": type(info).__name__, "message": str(info)}
    if order.taken_back and receipt["state"] in ("PENDING", "REVOKED"):
        receipt["state"] = "REVOKED"
        receipt["error"] = {"type": "TaskRevokedError", "message": "taken back"}
    too_old = time.time() - (order.due or order.placed) > KEPT_SECONDS
    return None if too_old and receipt["state"] == "PENDING" else receipt


def print_url(order: Order) -> str | None:
    """Return the address of its print, if there by now: the row may have changed, so ask."""
    if order.task not in ("tasks.develop", "tasks.try_to_develop"):
        return None
    developed = db.session.scalar(db.select(Photo.developed).filter_by(id=order.photo_id))
    ready = (developed or 0) > order.placed  # not the print of an order before
    return url_for("photos.prints", photo_id=order.photo_id, size="large") if ready else None


def forget(order: Order) -> None:
    """Remove an order that was never sent; and its photo, if nothing else was ordered of it."""
    photo = order.photo
    if photo and not photo.album_id and photo.orders == [order]:
        photo.negative.unlink()
        db.session.delete(photo)
    db.session.delete(order)
    db.session.commit()
