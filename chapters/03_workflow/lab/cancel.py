"""Cancelling an order whose task hasn't begun."""

import time
from contextlib import suppress

from celery import Task
from celery.exceptions import Ignore
from flask import current_app

from lab.db import db
from lab.models import Order
from support import control
from support.sending import SEND_ERRORS


def cancel_order(order: Order) -> None:
    """Note it in the order's row, then tell the workers that run now."""
    order.cancelled_at = time.time()
    db.session.commit()
    with suppress(*SEND_ERRORS):  # without a broker, the row alone must do
        control.revoke(current_app.extensions["celery"], [order.id])


def stop_if_cancelled(task: Task) -> None:
    """End this task, as revoked, if its order was cancelled."""
    task_id = str(task.request.id)
    cancelled_at = db.session.scalar(
        db.select(Order.cancelled_at).filter_by(id=task_id)
    )
    db.session.commit()  # no transaction stays open during the work
    if cancelled_at:
        task.backend.mark_as_revoked(task_id, "cancelled", request=task.request)
        raise Ignore
