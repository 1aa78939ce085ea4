"""Wrong: looks for the id anywhere in the text of a message."""

import os

from redis import Redis

QUEUE = "celery"  # the queue that Celery uses if nothing else is said
redis = Redis.from_url(
    os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    decode_responses=True,  # str, not bytes
)


def place(task_id: str) -> int | None:
    """Return a task's place in the queue, or None if it isn't there."""
    for number, message in enumerate(reversed(redis.lrange(QUEUE, 0, -1)), start=1):
        if task_id in message:
            return number
    return None
