"""Wrong: sends when a savepoint is released, though all is rolled back later."""

from typing import Any

from celery import Task
from sqlalchemy import event
from sqlalchemy.orm import Session


def send_after_commit(session: Session, task: Task, *args: Any) -> None:
    """Remember it in the session."""
    session.info.setdefault("calls", []).append((task, args))


@event.listens_for(Session, "after_commit")
def send(session: Session) -> None:
    """Send all, at a savepoint, too."""
    for task, args in session.info.pop("calls", []):
        task.delay(*args)


@event.listens_for(Session, "after_transaction_end")
def forget(session: Session, transaction: Any) -> None:
    """Forget what wasn't sent."""
    if transaction.parent is None:
        session.info.pop("calls", None)
