"""The tasks, each under the name by which Flask asks for it. They belong to no app yet."""

import time

from celery import shared_task

from lab.models import Photo, db
from support import darkroom


@shared_task(name="tasks.develop")
def develop(photo_id: str) -> dict[str, float]:
    """Develop one photo and say how many seconds that took."""
    photo = db.session.get_one(Photo, photo_id)
    started = time.perf_counter()
    darkroom.develop(photo.negative, photo.prints)
    photo.seconds = round(time.perf_counter() - started, 2)
    photo.developed = time.time()
    db.session.commit()
    return {"seconds": photo.seconds}


@shared_task(name="tasks.my_task")
def my_task(arg1: float, arg2: float) -> float:
    """Add two numbers."""
    return arg1 + arg2
