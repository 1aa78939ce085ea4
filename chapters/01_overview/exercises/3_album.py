"""An album: many photos, and one broken file doesn't stop the rest.

Somebody brings a whole album to be developed. `send_album` sends every photo off at once, and waits
for none. Later, `collect` waits until all are done, and tells what became of each. In most albums
there is a file that isn't a photo: it must not spoil the others.
"""

import os

from celery import Celery

celery = Celery(
    "album",
    broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "redis://localhost:6379/1"),
)


def send_album(photo_ids: list[str]) -> list[str]:
    """Send `tasks.develop` for each photo, and return the ids of the tasks, in the same order."""
    # TODO
    return []


def collect(task_ids: list[str]) -> dict[str, str]:
    """Wait until all tasks are done, and return by task id what became of each.

    That is "developed", or else the name of the error's type, such as "UnidentifiedImageError".
    """
    # TODO
    return {}
