"""Wrong: without `name=`, the task is called after its module and function."""

import os

from celery import Celery
from PIL import Image

from support import storage

celery = Celery(
    "black_and_white",
    broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "redis://localhost:6379/1"),
)
celery.conf.update(
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    task_soft_time_limit=50,
    task_time_limit=60,
)


@celery.task
def black_and_white(photo_id: str) -> str:
    """Make a black-and-white print of a photo, and return the print's path."""
    path = storage.prints_folder(photo_id) / "black_and_white.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(storage.photo_path(photo_id)) as photo:
        image = photo.convert("L")
    image.save(path)
    return str(path)
