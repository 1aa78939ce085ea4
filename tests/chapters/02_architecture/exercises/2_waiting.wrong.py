"""Wrong: asks Redis, whatever the broker is."""

from celery import Celery
from redis import Redis


def waiting(celery_app: Celery) -> int:
    """Return the length of a Redis list."""
    redis = Redis.from_url(celery_app.conf.broker_url)
    return redis.llen(celery_app.conf.task_default_queue)
