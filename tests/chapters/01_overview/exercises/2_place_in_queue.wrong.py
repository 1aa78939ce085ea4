"""Wrong: counts from the end where messages come in."""

import json
import os

from redis import Redis

QUEUE = "celery"  # the queue that Celery uses if nothing else is said
redis = Redis.from_url(
    os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    decode_responses=True,  # str, not bytes
)


def place(task_id: str) -> int | None:
    """Return a task's place in the queue, or None if it isn't there."""
    for number, message in enumerate(redis.lrange(QUEUE, 0, -1), start=1):
        if json.loads(message)["headers"]["id"] == task_id:
            return number
    return None
