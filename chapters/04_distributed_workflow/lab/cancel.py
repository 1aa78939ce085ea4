"""Cancelling orders: tasks that haven't begun don't begin, others look for it."""

import time
from collections.abc import Sequence
from contextlib import suppress

from celery import Task
from celery.exceptions import Ignore
from flask import current_app

from lab.db import db
from lab.models import Order
from support import control
from support.sending import SEND_ERRORS

REASON = "cancelled"


def cancel_orders(orders: Sequence[Order]) -> None:
    """Note it in the rows, then tell all workers that run now, in one message."""
    for order in orders:
        order.cancelled_at = time.time()
    db.session.commit()
    with suppress(*SEND_ERRORS):  # without a broker, the rows alone must do
        control.revoke(current_app.extensions["celery"], [order.id for order in orders])


def is_cancelled(task_id: str | None) -> bool:
    """Tell whether the order with this id was cancelled."""
    when = db.session.scalar(db.select(Order.cancelled_at).filter_by(id=task_id))
    db.session.commit()  # no transaction stays open during the work
    return when is not None


def stop_if_cancelled(task: Task) -> None:
    """End this task, as revoked, if its order was cancelled."""
    if is_cancelled(task.request.id):
        task.backend.mark_as_revoked(str(task.request.id), REASON, request=task.request)
        raise Ignore
