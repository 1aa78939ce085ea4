"""The worker's side: the tasks, each under the name by which Flask asks for it."""

import os
import time

from celery import Celery

from support import imaging, storage

celery = Celery(
    "tasks",
    broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "redis://localhost:6379/1"),
)
celery.conf.update(
    accept_content=["json"],  # refuse anything that could carry code, such as pickle
    broker_connection_retry_on_startup=True,  # a worker waits for its broker
    result_expires=24 * 60 * 60,  # seconds; then the backend forgets it
    task_soft_time_limit=50,  # seconds until the task gets an exception it can handle
    task_time_limit=60,  # seconds until its process is killed
    task_track_started=True,  # otherwise a running task looks like a waiting one
)


@celery.task(name="tasks.develop")
def develop(photo_id: str) -> dict[str, float]:
    """Develop one photo and say how many seconds that took."""
    started = time.perf_counter()
    imaging.develop(storage.photo_path(photo_id), storage.prints_folder(photo_id))
    return {"seconds": round(time.perf_counter() - started, 2)}


@celery.task(name="tasks.my_task")
def my_task(arg1: float, arg2: float) -> float:
    """Add two numbers."""
    return arg1 + arg2
