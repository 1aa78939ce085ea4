"""Exercise 2: the place of a task in the queue.

Somebody who waits would like to read "You are number 3".

| given the id of                                | `place` must return      |
| ---------------------------------------------- | ------------------------ |
| the task that a worker takes next              | 1                        |
| the task after it, and so on                   | 2, and so on             |
| a task that isn't in the queue: never sent, or | None                     |
| already taken by a worker, or done             |                          |
| a task whose id another task has as argument   | its own place, not that  |
|                                                | of the other             |

With Redis as the broker, the queue is a Redis list with the name `celery`. Each entry
is a message. To see some: start the lab, stop its worker, order some photos, add
`print(redis.lrange(QUEUE, 0, -1))` at the end of this file, and run
`python -m workbench exec python exercises/2_place_in_queue.py`.
"""

import os

from redis import Redis

QUEUE = "celery"  # the queue that Celery uses if nothing else is said
redis = Redis.from_url(
    os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    decode_responses=True,  # str, not bytes
)


def place(task_id: str) -> int | None:
    """Return a task's place in the queue, or None if it isn't there."""
    # TODO: find the message of this task in the queue, and count from the right end
    return None
