"""What the result backend stores about tasks, read for many tasks at once."""

import logging
from collections.abc import Sequence
from typing import Any

from celery.backends.base import BaseKeyValueStoreBackend, DisabledBackend
from celery.backends.database import (  # type: ignore[attr-defined]
    DatabaseBackend,
    session_cleanup,  # celery-types lacks it
)
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import ServiceUnavailable

TaskMeta = dict[str, Any]  # Celery's word for what is stored: "status", "result", ...
PENDING: TaskMeta = {"status": "PENDING", "result": None}  # nothing is stored
NO_BACKEND = "There is no result backend: name one in CELERY_RESULT_BACKEND."
UNAVAILABLE = "The result backend can't be used. Ask again soon."
logger = logging.getLogger(__name__)


def get_task_metas(backend: Any, task_ids: Sequence[str]) -> dict[str, TaskMeta]:
    """Return, by id, what is stored about each of these tasks.

    Redis and a database are asked once, however many ids there are; others once an id.
    """
    if isinstance(backend, DisabledBackend):
        raise ServiceUnavailable(NO_BACKEND, retry_after=60)
    if not task_ids:
        return {}
    if isinstance(backend, BaseKeyValueStoreBackend):
        stored = from_key_value_store(backend, task_ids)
    elif isinstance(backend, DatabaseBackend):
        stored = from_database(backend, task_ids)
    else:
        stored = {task_id: backend.get_task_meta(task_id) for task_id in task_ids}
    return {task_id: stored.get(task_id, PENDING) for task_id in task_ids}


def from_key_value_store(
    backend: BaseKeyValueStoreBackend, task_ids: Sequence[str]
) -> dict[str, TaskMeta]:
    """Read the values under the tasks' keys, with one MGET."""
    values = backend.mget([backend.get_key_for_task(task_id) for task_id in task_ids])
    found = zip(task_ids, values, strict=True)
    return {task_id: backend.decode_result(value) for task_id, value in found if value}


def from_database(
    backend: DatabaseBackend, task_ids: Sequence[str]
) -> dict[str, TaskMeta]:
    """Read the tasks' rows, with one SELECT; answer 503 if the database fails."""
    table: Any = backend.task_cls
    wanted = select(table.task_id, table.status, table.result)
    try:
        session = backend.ResultSession()
        with session_cleanup(session):
            rows = session.execute(wanted.where(table.task_id.in_(task_ids))).all()
    except DBAPIError as error:
        logger.error("The result backend can't be used: %s", error.orig)
        raise ServiceUnavailable(UNAVAILABLE, retry_after=5) from error
    return {row.task_id: decode_row(backend, row) for row in rows}


def decode_row(backend: DatabaseBackend, row: Any) -> TaskMeta:
    """Return a row as the other backends would.

    Celery 5.7 stores the result as JSON. Before, it was a pickle, which is read by now.
    """
    result = row.result
    if isinstance(result, bytes):
        result = backend.decode(result)
    meta: TaskMeta = backend.meta_from_decoded({"status": row.status, "result": result})
    return meta
