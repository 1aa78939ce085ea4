"""In a minute, by the clock on the wall. When is that, for a worker?"""

from datetime import UTC, datetime, timedelta
from typing import Any

from celery.signals import before_task_publish

from lab import create_app
from lab.tasks import my_task

create_app()


@before_task_publish.connect
def show(headers: dict[str, Any], **_: object) -> None:
    """Print what a message says, and how far away that is, as a worker reads it."""
    eta = datetime.fromisoformat(headers["eta"])
    away = (eta if eta.tzinfo else eta.replace(tzinfo=UTC)) - datetime.now(UTC)
    print(f"{headers['eta']} is in {away / timedelta(hours=1):.1f} hours")


in_a_minute = datetime.now() + timedelta(minutes=1)
my_task.apply_async((20, 22), eta=in_a_minute).revoke()  # naive
my_task.apply_async((20, 22), eta=in_a_minute.astimezone()).revoke()  # aware
