"""Wrong: a task of a Celery app of its own, which no worker of the lab knows."""

import os

from celery import Celery

from lab.db import db
from lab.models import Photo

celery = Celery("statistics", broker=os.environ.get("CELERY_BROKER_URL"))


@celery.task(name="tasks.statistics")
def statistics() -> dict[str, float]:
    """Count the photos, but outside of any app's context."""
    photos = db.session.scalars(db.select(Photo)).all()
    seconds = [photo.seconds for photo in photos if photo.seconds is not None]
    return {"photos": len(photos), "developed": len(seconds), "seconds": sum(seconds)}
