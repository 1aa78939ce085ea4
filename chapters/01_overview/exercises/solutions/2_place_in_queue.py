"""The place in the queue.

This looks into the way in which Celery's transport library, kombu, uses Redis. It isn't a promise:
RabbitMQ has nothing like it, and messages with a priority lie in other lists. A worker also takes
messages ahead, four for each of its processes; those have left the list, though they still wait.
"""

import json
import os

from redis import Redis

QUEUE = "celery"  # the queue that Celery uses if it isn't told another
redis = Redis.from_url(
    os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    decode_responses=True,  # str, not bytes
)


def place(task_id: str) -> int | None:
    """Return 1 for the task that a worker takes next, None for one that isn't in the queue."""
    messages = redis.lrange(QUEUE, 0, -1)
    # A sender pushes on the left (LPUSH), a worker pops on the right (BRPOP): the last is next.
    for number, message in enumerate(reversed(messages), start=1):
        if json.loads(message)["headers"]["id"] == task_id:
            return number
    return None
