"""Exercise 1: a task of your own, which makes a black-and-white print.

Somebody orders black-and-white prints, and knows nothing but a name:
`celery.send_task("tasks.black_and_white", args=[photo_id])`.

| given                               | your task must                              |
| ----------------------------------- | ------------------------------------------- |
| the name `tasks.black_and_white`    | be found by it                              |
| a photo's id                        | write `black_and_white.jpg` into the folder |
|                                     | of this photo's prints, and return its path |
| a photo in colour                   | print it in shades of grey: in each pixel,  |
|                                     | red, green and blue are the same            |
| something dark, something bright    | keep it dark, keep it bright                |

`make check` starts a worker on this file, and orders a print from it. Don't start this
worker yourself while the lab runs: it would take the lab's messages out of the queue,
and it doesn't know their tasks.
"""

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


# TODO: make this function a task with the name tasks.black_and_white
def black_and_white(photo_id: str) -> str:
    """Make a black-and-white print of a photo, and return the print's path."""
    path = storage.prints_folder(photo_id) / "black_and_white.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(storage.photo_path(photo_id)) as photo:
        image = photo.convert("RGB")  # TODO: this is still in colour
    image.save(path)
    return str(path)
