"""How orders are doing: we know the orders, Celery knows their states."""

import time
from collections.abc import Sequence

from celery.exceptions import TaskRevokedError
from flask import current_app, url_for

from lab.config import RESULT_EXPIRES
from lab.db import db
from lab.models import Order, Photo
from lab.tasks import develop
from support.status import Status, describe_error, status_answer
from support.task_meta import TaskMeta, get_task_metas

CANCELLED: TaskMeta = {"status": "REVOKED", "result": TaskRevokedError("cancelled")}


def order_status(order: Order) -> Status | None:
    """Return how an order is doing; None if its result has expired."""
    return order_statuses([order])[order.id]


def order_statuses(orders: Sequence[Order]) -> dict[str, Status | None]:
    """Return how each order is doing, by its id, with two questions for all of them.

    A task commits its row, then Celery stores SUCCESS. So states are read first, then
    rows: an order that is done has its print.
    """
    backend = current_app.extensions["celery"].backend
    metas = get_task_metas(backend, [order.id for order in orders])
    reload_photos(orders)
    return {order.id: status_from(order, metas[order.id]) for order in orders}


def reload_photos(orders: Sequence[Order]) -> None:
    """Read the orders' photos again: a worker may have changed them meanwhile."""
    ids = [order.photo_id for order in orders]
    photos = db.select(Photo).where(Photo.id.in_(ids))
    db.session.scalars(photos.execution_options(populate_existing=True)).all()


def status_from(order: Order, meta: TaskMeta) -> Status | None:
    """Return how an order is doing; None if its result has expired."""
    if order.cancelled_at and meta["status"] in ("PENDING", "RETRY", "REVOKED"):
        meta = CANCELLED  # the row says it first, and a worker when the task is due
    state, result = meta["status"], meta["result"]
    status = status_answer(order.id, order.task, state, result, print_url(order))
    status["due_at"] = order.due_at
    if state == "RETRY":
        status["error"] = describe_error(result)  # why it is to be tried again
    expired = time.time() - (order.due_at or order.placed_at) > RESULT_EXPIRES
    return None if expired and status["state"] == "PENDING" else status


def print_url(order: Order) -> str | None:
    """Return the address of this order's print; None if there is none yet."""
    photo = order.photo
    if order.task != develop.name or photo is None or photo.developed_at is None:
        return None
    if photo.developed_at < order.placed_at:
        return None  # it is the print of an earlier order
    return url_for("photos.get_print", photo_id=photo.id, size="large")
