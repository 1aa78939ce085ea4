"""Solution 2: the place of a task in the queue.

This reads how kombu, Celery's library for brokers, uses Redis. Nobody promises that it
stays so: with RabbitMQ there is no such list, and messages with a priority are in other
lists. A worker also takes messages before it needs them, four for each of its
processes. Those have left the list, though nobody works on them.
"""

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
    # Who sends adds at the left end (LPUSH), a worker takes from the right end (BRPOP).
    for number, message in enumerate(reversed(messages), start=1):
        if json.loads(message)["headers"]["id"] == task_id:
            return number
    return None
