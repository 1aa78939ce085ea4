"""Commands to all workers that run now."""

from collections.abc import Sequence

from celery import Celery
from kombu.pidbox import Mailbox


def revoke(celery_app: Celery, task_ids: Sequence[str]) -> None:
    """Do what `celery_app.control.revoke` does, over a connection of its own.

    Celery would use one that may be broken by now, and try again for ever.
    """
    exchange = celery_app.conf.control_exchange
    with celery_app.connection_for_write() as connection:
        mailbox = Mailbox(exchange, type="fanout", connection=connection)
        mailbox.abcast("revoke", {"task_id": list(task_ids)})
