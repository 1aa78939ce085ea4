"""An order is written down, committed, and only then sent."""

from datetime import UTC, datetime, timedelta

from celery import Task

from lab.config import RESULT_EXPIRES
from lab.db import db
from lab.models import Letter, Order, Photo
from lab.storage import photo_path
from support.sending import SEND_ERRORS, broker_unavailable, connect, surely_not_sent


def place_order(
    task: Task,
    *args: str | float,
    photo: Photo | None = None,
    letter: Letter | None = None,
    eta: datetime | None = None,
) -> Order:
    """Write an order, commit, then send its task, which begins at `eta` or later."""
    order = Order(task=task.name, photo=photo, letter=letter)
    order.due_at = eta.timestamp() if eta else None
    db.session.add(order)
    db.session.commit()
    expires = (eta or datetime.now(UTC)) + timedelta(seconds=RESULT_EXPIRES)
    try:
        connect(task.app)  # what fails here was surely not sent
        task.apply_async(args, task_id=order.id, eta=eta, expires=expires)  # type: ignore[arg-type]
    except SEND_ERRORS as error:
        if surely_not_sent(error):
            forget_order(order)
        raise broker_unavailable(order.id, error) from error
    return order


def forget_order(order: Order) -> None:
    """Delete an order that was not sent, and what was written for it alone."""
    photo = order.photo
    if order.letter:
        db.session.delete(order.letter)
    if photo and photo.orders == [order]:
        photo_path(photo.id).unlink(missing_ok=True)
        db.session.delete(photo)
    db.session.delete(order)
    db.session.commit()
