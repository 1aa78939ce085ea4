"""Right as well: what is to be sent belongs to the outermost transaction, and goes with it."""

from typing import Any
from weakref import WeakKeyDictionary

from celery import Task
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

Calls = list[tuple[Task, tuple[Any, ...]]]
calls: WeakKeyDictionary[SessionTransaction, Calls] = WeakKeyDictionary()


def send_after_commit(session: Session, task: Task, *args: Any) -> None:
    """Remember it with the transaction."""
    transaction = session.get_transaction() or session.begin()
    calls.setdefault(transaction, []).append((task, args))


@event.listens_for(Session, "after_commit")
def send(session: Session) -> None:
    """Send what the transaction remembers; a savepoint isn't the outermost."""
    transaction = session.get_transaction()
    if transaction and not session.in_nested_transaction():
        for task, args in calls.pop(transaction, []):
            task.delay(*args)
