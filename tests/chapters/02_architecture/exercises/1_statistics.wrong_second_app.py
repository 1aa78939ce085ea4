"""Wrong: makes another app, which looks for its photos elsewhere."""

from celery import shared_task

from lab import create_app
from lab.db import db
from lab.models import Photo


@shared_task(name="tasks.statistics")
def statistics() -> dict[str, float]:
    """Count the photos of an app that was made a moment ago."""
    with create_app().app_context():
        photos = db.session.scalars(db.select(Photo)).all()
        seconds = [photo.seconds for photo in photos if photo.seconds is not None]
        return {"photos": len(photos), "developed": len(seconds), "seconds": sum(seconds)}
