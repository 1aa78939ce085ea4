"""Wrong: what is left after session.close() is sent at the next commit."""

from typing import Any

from celery import Task
from sqlalchemy import event
from sqlalchemy.orm import Session


def send_after_commit(session: Session, task: Task, *args: Any) -> None:
    """Remember it in the session."""
    session.info.setdefault("calls", []).append((task, args))


@event.listens_for(Session, "after_commit")
def send(session: Session) -> None:
    """Send all, but not at a savepoint."""
    if not session.in_nested_transaction():
        for task, args in session.info.pop("calls", []):
            task.delay(*args)


@event.listens_for(Session, "after_rollback")
def forget(session: Session) -> None:
    """Forget all: close() rolls back, too, but not by this event."""
    session.info.pop("calls", None)
