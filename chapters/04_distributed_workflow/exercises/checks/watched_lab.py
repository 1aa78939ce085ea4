"""The lab, with somebody who watches its worker: what begins there, and what waits."""

import os
import traceback
from collections.abc import Callable
from typing import Any

from celery import Task, current_task
from celery.result import AsyncResult, ResultSet
from celery.signals import task_prerun
from redis import Redis

from lab import create_app
from lab.config import WORKER

PATIENCE = 3  # seconds in which the first measuring task waits for a second one
NOTES = Redis.from_url(os.environ["CELERY_BROKER_URL"], decode_responses=True)
celery_app = create_app(process=WORKER).extensions["celery"]


@task_prerun.connect
def note(task_id: str, task: Task, **_options: object) -> None:
    """Note what begins. Let the first two that measure meet, if they run together."""
    NOTES.rpush(f"begun {task.name}", task_id)
    if task.name != "tasks.measure":
        return
    number = NOTES.incr("measuring")
    if number == 1 and NOTES.blpop(["second is here"], timeout=PATIENCE):
        NOTES.set("met", 1)
    elif number == 2:
        NOTES.rpush("second is here", 1)


def noted(wait: Callable[..., Any]) -> Callable[..., Any]:
    """Note whenever an exercise waits for a result inside a task."""

    def get(*args: Any, **options: Any) -> Any:
        files = [frame.filename for frame in traceback.extract_stack()]
        if current_task and any(file.endswith("2_contest.py") for file in files):
            NOTES.rpush("waited", str(current_task.name))
        return wait(*args, **options)

    return get


waits = (AsyncResult, "get"), (ResultSet, "join"), (ResultSet, "join_native")
for kind, name in waits:
    setattr(kind, name, noted(getattr(kind, name)))
