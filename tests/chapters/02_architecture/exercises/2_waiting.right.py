"""Right as well: kombu's simple interface, on a connection from the app's pool."""

from celery import Celery
from kombu.exceptions import ChannelError


def waiting(celery_app: Celery) -> int:
    """Have the queue declared if it isn't there, then ask for its size."""
    name = celery_app.conf.task_default_queue
    with celery_app.pool.acquire(block=True) as connection, connection.SimpleQueue(name) as queue:
        try:
            return queue.qsize()
        except ChannelError:  # declared, but on Redis that leaves no trace
            return 0
