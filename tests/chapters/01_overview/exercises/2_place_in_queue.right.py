"""Right as well: all ids first, then the distance from the right end."""

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
    messages = redis.lrange(QUEUE, 0, -1)
    waiting = [json.loads(message)["headers"]["id"] for message in messages]
    return len(waiting) - waiting.index(task_id) if task_id in waiting else None
