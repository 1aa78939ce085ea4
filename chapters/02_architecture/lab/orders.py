"""An order: written down, committed, sent. Later: how it stands."""

import time
from typing import Any

from celery import Task
from celery.backends.base import DisabledBackend
from flask import abort, current_app

from lab.celery_app import KEPT_SECONDS
from lab.models import Order, Photo, db
from support import counter, problems


def place(task: Task[Any, Any], *args: str | float, photo: Photo | None = None) -> Order:
    """Write the order down, commit, and only then send the task: a worker is quick to look."""
    order = Order(task=task.name, photo=photo)
    db.session.add(order)
    db.session.commit()
    with problems.if_not_sent(order.id, forget=order.take_back):
        task.apply_async(args, task_id=order.id, expires=KEPT_SECONDS)
    return order


def standing(order: Order) -> dict[str, object] | None:
    """Return how an order stands: we know the order, Celery knows its state. None if expired."""
    result = current_app.extensions["celery"].AsyncResult(order.id)
    if isinstance(result.backend, DisabledBackend):
        abort(503, "There is no result backend to ask: name one in CELERY_RESULT_BACKEND.")
    receipt = counter.receipt(result, order.task, order.print_url)
    too_old = time.time() - order.placed > KEPT_SECONDS
    return None if too_old and receipt["state"] == "PENDING" else receipt
