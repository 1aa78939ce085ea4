"""Wrong: a queue that isn't there is an error."""

from celery import Celery


def waiting(celery_app: Celery) -> int:
    """Ask the broker, and pass on what it raises."""
    name = celery_app.conf.task_default_queue
    with celery_app.connection_for_read() as connection:
        return connection.default_channel.queue_declare(name, passive=True).message_count
