"""How many messages wait? On any broker.

A worker fetches messages before it needs them, four for each of its processes. These
have left the queue, and aren't counted, though they still wait.
"""

from typing import Any

from celery import Celery
from kombu.exceptions import ChannelError


def waiting(celery_app: Celery) -> int:
    """Return how many messages are in the app's default queue."""
    name = celery_app.conf.task_default_queue
    with celery_app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        try:
            # Declared, a queue tells its size. Passive: don't make one.
            return int(channel.queue_declare(name, passive=True).message_count)
        except ChannelError as error:
            if str(error.reply_code) != "404":  # refused, say
                raise
            return 0  # there is no such queue: on Redis, an empty one isn't there
