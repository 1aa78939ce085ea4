"""What is done with one photo, each task under the name by which it is asked for."""

import time

from celery import shared_task

from lab.db import db
from lab.models import Photo
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


@shared_task(name="tasks.publish")
def publish(photo_id: str) -> dict[str, float]:
    """Put a photo into the lab's window. Twice does no harm."""
    photo = db.session.get_one(Photo, photo_id)
    photo.published = photo.published or time.time()
    db.session.commit()
    return {"published": photo.published}


@shared_task(name="tasks.my_task")
def my_task(arg1: float, arg2: float) -> float:
    """Add two numbers."""
    return arg1 + arg2
