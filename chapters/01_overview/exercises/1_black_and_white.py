"""A task of your own: a black-and-white print.

Someone wants to order black-and-white prints. Like Flask in this chapter, they will only know a
name: they send `tasks.black_and_white`, with a photo's id. Make `black_and_white` below a task that
goes by this name, and its print black and white.

`make check` starts a worker on this file, and orders a print from it. (Started by hand beside the
lab's own worker, it would take the lab's photos from the queue, and not know what to do with them.)
"""

import os

from celery import Celery
from PIL import Image

from support import shelf

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


# TODO: make this a task that goes by the name tasks.black_and_white
def black_and_white(photo_id: str) -> str:
    """Make a black-and-white print of a photo, and return the print's path."""
    path = shelf.prints(photo_id) / "black_and_white.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(shelf.photo(photo_id)) as photo:
        image = photo.convert("RGB")  # TODO: this is still in colour
    image.save(path)
    return str(path)
