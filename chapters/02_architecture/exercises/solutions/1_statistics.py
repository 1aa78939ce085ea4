"""A task of your own, in whichever app asks for it: statistics."""

from celery import shared_task
from sqlalchemy import func

from lab.db import db
from lab.models import Photo


# `shared_task` gives every Celery app a task of its own, which runs in the app's
# context. There `db.session` means this app's database.
@shared_task(name="tasks.statistics")
def statistics() -> dict[str, float]:
    """Return how many photos there are, how many are developed, and their seconds."""
    # COUNT(column) leaves NULL out; SUM over nothing but NULL is NULL, not 0.
    query = db.select(func.count(), func.count(Photo.seconds), func.sum(Photo.seconds))
    photos, developed, seconds = db.session.execute(query.select_from(Photo)).one()
    return {"photos": photos, "developed": developed, "seconds": seconds or 0}
