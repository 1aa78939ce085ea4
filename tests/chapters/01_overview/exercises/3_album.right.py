"""Right as well: a signature for each photo, and errors that are caught."""

import os

from celery import Celery

celery = Celery(
    "album",
    broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "redis://localhost:6379/1"),
)


def send_album(photo_ids: list[str]) -> list[str]:
    """Send a signature for each photo."""
    develop = celery.signature("tasks.develop")
    return [develop.clone((photo_id,)).apply_async().id for photo_id in photo_ids]


def collect(task_ids: list[str]) -> dict[str, str]:
    """Wait for each, and note its error instead of raising it."""
    found = dict.fromkeys(task_ids, "developed")
    for task_id in task_ids:
        try:
            celery.AsyncResult(task_id).get()
        except Exception as error:
            found[task_id] = type(error).__name__
    return found
