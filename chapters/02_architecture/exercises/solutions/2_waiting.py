"""How many wait? On any broker.

A worker takes messages ahead, four for each of its processes. Those have left the queue, and aren't
counted, though they still wait.
"""

from typing import Any

from celery import Celery
from kombu.exceptions import ChannelError


def waiting(celery_app: Celery) -> int:
    """Return how many messages lie in the app's default queue; 0 if there is no such queue yet."""
    name = celery_app.conf.task_default_queue
    with celery_app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        try:
            # To declare a queue makes it if need be, and tells its size. Passive: never make it.
            return int(channel.queue_declare(name, passive=True).message_count)
        except ChannelError as error:
            if str(error.reply_code) != "404":  # refused, say
                raise
            return 0  # Redis keeps no empty list, RabbitMQ has no queue that nobody has declared
