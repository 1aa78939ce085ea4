"""Wrong: the first broken file ends it for all."""

import os

from celery import Celery

celery = Celery(
    "album",
    broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "redis://localhost:6379/1"),
)


def send_album(photo_ids: list[str]) -> list[str]:
    """Send a task for each photo, and return the tasks' ids in the same order."""
    results = [celery.send_task("tasks.develop", args=[id_]) for id_ in photo_ids]
    return [result.id for result in results]


def collect(task_ids: list[str]) -> dict[str, str]:
    """Wait for each, and raise the error of the first that failed."""
    found = {}
    for task_id in task_ids:
        celery.AsyncResult(task_id).get()
        found[task_id] = "developed"
    return found
