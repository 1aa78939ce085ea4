"""Taking an order back, whether its task waits, or is at work."""

import time
from contextlib import suppress
from typing import Any

from celery import Task
from celery.exceptions import Ignore
from flask import current_app
from kombu.exceptions import OperationalError

from lab.db import db
from lab.models import Order


def take_back(order: Order) -> None:
    """Cancel: note it for whoever looks before working, and tell the workers that are there."""
    order.taken_back = time.time()
    db.session.commit()
    with suppress(OperationalError):  # then the note must do
        current_app.extensions["celery"].control.revoke(order.id)


def stop_if_taken_back(task: Task[Any, Any]) -> None:
    """End this task, as revoked, if its order was taken back."""
    if db.session.scalar(db.select(Order.taken_back).filter_by(id=task.request.id)):
        task.backend.mark_as_revoked(str(task.request.id), "taken back", request=task.request)
        raise Ignore
