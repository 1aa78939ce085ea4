"""An album: many photos, and one broken file doesn't stop the rest."""

import os

from celery import Celery

celery = Celery(
    "album",
    broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "redis://localhost:6379/1"),
)


def send_album(photo_ids: list[str]) -> list[str]:
    """Send `tasks.develop` for each photo, and return the ids of the tasks, in the same order."""
    return [celery.send_task("tasks.develop", args=[photo_id]).id for photo_id in photo_ids]


def collect(task_ids: list[str]) -> dict[str, str]:
    """Wait until all tasks are done, and return by task id what became of each."""
    found = {}
    for task_id in task_ids:
        result = celery.AsyncResult(task_id)
        # By default get() raises the task's error here. With propagate=False it is returned.
        error = result.get(propagate=False)
        found[task_id] = "developed" if result.successful() else type(error).__name__
    return found
