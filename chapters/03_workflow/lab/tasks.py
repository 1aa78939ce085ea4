"""The tasks on photos. They belong to no app yet: `shared_task` waits for one."""

import time

from celery import shared_task

from lab.db import db
from lab.models import Photo
from lab.storage import photo_path, prints_folder
from support import imaging


@shared_task(name="tasks.develop")
def develop(photo_id: str) -> dict[str, float]:
    """Develop one photo and say how many seconds that took."""
    photo = db.session.get_one(Photo, photo_id)
    db.session.commit()  # no transaction stays open during the work
    started = time.perf_counter()
    imaging.develop(photo_path(photo_id), prints_folder(photo_id))
    photo.seconds = round(time.perf_counter() - started, 2)
    photo.developed_at = time.time()
    db.session.commit()
    return {"seconds": photo.seconds}


@shared_task(name="tasks.publish")
def publish(photo_id: str) -> dict[str, float]:
    """Publish a photo. Doing it twice does no harm: the first time counts."""
    photo = db.session.get_one(Photo, photo_id)
    photo.published_at = photo.published_at or time.time()
    db.session.commit()
    return {"published_at": photo.published_at}


@shared_task(name="tasks.my_task")
def my_task(arg1: float, arg2: float) -> float:
    """Add two numbers."""
    return arg1 + arg2
