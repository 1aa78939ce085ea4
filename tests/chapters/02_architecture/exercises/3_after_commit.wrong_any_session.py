"""Wrong: one list for all sessions, and whichever commits first sends it."""

from typing import Any

from celery import Task
from sqlalchemy import event
from sqlalchemy.orm import Session

calls: list[tuple[Task, tuple[Any, ...]]] = []


def send_after_commit(session: Session, task: Task, *args: Any) -> None:
    """Remember it for the next commit."""
    calls.append((task, args))


@event.listens_for(Session, "after_commit")
def send(_session: Session) -> None:
    """Send all."""
    while calls:
        task, args = calls.pop(0)
        task.delay(*args)


@event.listens_for(Session, "after_rollback")
def forget(_session: Session) -> None:
    """Forget all."""
    calls.clear()
