"""How orders are doing: we know the orders, Celery knows their states."""

import time
from collections.abc import Sequence

from celery.exceptions import TaskRevokedError
from flask import current_app

from lab.cancel import REASON
from lab.config import RESULT_EXPIRES
from lab.models import Order
from support.status import Status, status_answer
from support.task_meta import TaskMeta, get_task_metas

EXPIRED = "EXPIRED"  # ours: Celery says PENDING of an order whose result has expired


def order_statuses(orders: Sequence[Order]) -> dict[str, Status]:
    """Return how each order is doing, by its id, with one question for all of them."""
    backend = current_app.extensions["celery"].backend
    metas = get_task_metas(backend, [order.id for order in orders])
    return {order.id: status_from(order, metas[order.id]) for order in orders}


def status_from(order: Order, meta: TaskMeta) -> Status:
    """Return how an order is doing, made of its row and of what Celery has stored."""
    state, result = order_state(order, meta["status"]), meta["result"]
    if order.cancelled_at and state == "REVOKED":
        result = TaskRevokedError(REASON)  # whoever has noticed it: a worker, or nobody
    status = status_answer(order.id, order.task, state, result, None)
    return {**status, "progress": result if state == "PROGRESS" else None}


def order_state(order: Order, stored: str) -> str:
    """Return an order's state: the stored one, unless that says nothing is known."""
    if stored == "PENDING" and order.cancelled_at:
        return "REVOKED"
    if stored == "PENDING" and time.time() - order.placed_at > RESULT_EXPIRES:
        return EXPIRED
    return stored
