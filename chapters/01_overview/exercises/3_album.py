"""Exercise 3: an album, in which one broken file doesn't stop the rest.

Somebody brings many photos at once, and in most albums one file isn't a photo.

| function                | given      | must                                          |
| ----------------------- | ---------- | --------------------------------------------- |
| `send_album(photo_ids)` | photo ids  | send `tasks.develop` for each, wait for none, |
|                         |            | and return the task ids in the same order     |
| `collect(task_ids)`     | task ids   | wait until all are done, and return a dict    |
|                         |            | with an entry for each task id:               |
|                         | one that   | `"developed"`                                 |
|                         | succeeded  |                                               |
|                         | one that   | the name of the error's type, such as         |
|                         | failed     | `"UnidentifiedImageError"`; raise nothing     |

You need `AsyncResult` and its method `get`:
https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.get
"""

import os

from celery import Celery

celery = Celery(
    "album",
    broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "redis://localhost:6379/1"),
)


def send_album(photo_ids: list[str]) -> list[str]:
    """Send a task for each photo, and return the tasks' ids in the same order."""
    # TODO: send the tasks, and don't wait
    return []


def collect(task_ids: list[str]) -> dict[str, str]:
    """Wait until all tasks are done, and return what became of each, by its id."""
    # TODO: wait for each task, and note "developed" or the name of its error's type
    return {}
