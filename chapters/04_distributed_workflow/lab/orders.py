"""Orders are written down, committed, and only then sent."""

from celery import Signature, Task

from lab.config import RESULT_EXPIRES
from lab.db import db
from lab.models import Album, Order
from support.sending import SEND_ERRORS, broker_unavailable, connect, surely_not_sent


def place_order(task: Task, album: Album) -> Order:
    """Order one task that does something with an album."""
    order = Order(task=task.name, album=album)
    write_orders([order])
    send(task.s(album.id).set(task_id=order.id, expires=RESULT_EXPIRES), [order])
    return order


def write_orders(orders: list[Order]) -> None:
    """Write orders, and commit: a worker may look for them as soon as they are sent."""
    db.session.add_all(orders)
    db.session.commit()


def send(signature: Signature, orders: list[Order]) -> None:
    """Send what was ordered; if it was surely not sent, forget its orders."""
    try:
        connect(signature.app)  # what fails here was surely not sent
        signature.apply_async()
    except SEND_ERRORS as error:
        if surely_not_sent(error):
            forget_orders(orders)
        raise broker_unavailable(orders[-1].id, error) from error


def forget_orders(orders: list[Order]) -> None:
    """Delete orders that were not sent. What they were for is as it was before."""
    for order in orders:
        db.session.delete(order)
    db.session.commit()
