"""The doctor looks at the result backend: which tasks have begun, and have not ended."""

import json
from contextlib import suppress
from itertools import islice
from typing import Any

from celery import Celery
from celery.backends.database import DatabaseBackend
from celery.backends.database.models import Task
from celery.backends.redis import RedisBackend
from celery.states import PENDING, READY_STATES, RECEIVED

from workbench.doctor.messages import LOOKED_AT, PAGE

NOT_BEGUN = {PENDING, RECEIVED}


def begun(app: Celery) -> tuple[set[str], bool]:
    """Return the ids of tasks that have begun and not ended, and whether all were looked at."""
    if isinstance(app.backend, RedisBackend):
        return begun_in_redis(app.backend)
    if isinstance(app.backend, DatabaseBackend):
        return begun_in_database(app.backend)
    return set(), True  # nobody can ask another backend for what it has


def begun_in_redis(backend: Any) -> tuple[set[str], bool]:
    """Look at the first so many results that Redis has."""
    prefix = backend.get_key_for_task("*")
    keys = list(islice(backend.client.scan_iter(prefix, count=PAGE), LOOKED_AT + 1))
    found = set()
    for at in range(0, min(len(keys), LOOKED_AT), PAGE):
        for raw in backend.client.mget(keys[at : at + PAGE]):
            result = read(raw)
            if is_under_way(result.get("status")):
                found.add(str(result["task_id"]))
    return found, len(keys) <= LOOKED_AT


def begun_in_database(backend: Any) -> tuple[set[str], bool]:
    """Look at the first so many results in a database that belong to no task that has ended."""
    stored: Any = Task
    under_way = stored.status.not_in(READY_STATES | NOT_BEGUN)
    with backend.ResultSession() as session:
        rows = session.query(stored.task_id).filter(under_way).limit(LOOKED_AT)
        found = {str(row.task_id) for row in rows}
    return found, len(found) < LOOKED_AT


def is_under_way(state: str | None) -> bool:
    """Tell whether a task of this state has begun, and has not ended."""
    return bool(state) and state not in READY_STATES | NOT_BEGUN


def read(raw: bytes | None) -> dict[str, Any]:
    """Return a result that Redis has; an empty one if it is gone, or of another form."""
    with suppress(ValueError, TypeError):  # it has expired meanwhile, or isn't JSON
        found = json.loads(raw or b"{}")
        return found if isinstance(found, dict) else {}
    return {}
