"""An order is written down, committed, and only then sent."""

from celery import Task

from lab.config import RESULT_EXPIRES
from lab.db import db
from lab.models import Order, Photo
from lab.storage import photo_path
from support.sending import SEND_ERRORS, broker_unavailable, connect, surely_not_sent


def place_order(task: Task, *args: str | float, photo: Photo | None = None) -> Order:
    """Write an order, commit, then send its task: a worker may look for it at once."""
    order = Order(task=task.name, photo=photo)
    db.session.add(order)
    db.session.commit()
    try:
        connect(task.app)  # what fails here was surely not sent
        task.apply_async(args, task_id=order.id, expires=RESULT_EXPIRES)
    except SEND_ERRORS as error:
        if surely_not_sent(error):
            forget_order(order)
        raise broker_unavailable(order.id, error) from error
    return order


def forget_order(order: Order) -> None:
    """Delete an order that was not sent, and its photo if it has no other order."""
    photo = order.photo
    if photo and photo.orders == [order]:
        photo_path(photo.id).unlink(missing_ok=True)
        db.session.delete(photo)
    db.session.delete(order)
    db.session.commit()
