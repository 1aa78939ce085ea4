"""Send a task after the commit, and only then.

Two gaps are left. If the broker is away, or the process dies, between the commit and the send, the
row is there, but its task was never sent. The error comes out of `commit`, when all is done, and
the session must be closed before it is used again. And what was wanted in a savepoint is sent with
the rest, even if that savepoint was rolled back.
"""

from typing import Any

from celery import Task
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

KEY = "to send"  # in `session.info`, a dict for our own use


def send_after_commit(session: Session, task: Task[Any, Any], *args: Any) -> None:
    """Send a task once this session's transaction is committed; never, if it is rolled back."""
    session.info.setdefault(KEY, []).append((task, args))


@event.listens_for(Session, "after_commit")  # any session of the program: it is handed to us
def send(session: Session) -> None:
    """Send what this session remembers, each once."""
    if not session.in_nested_transaction():  # a savepoint ends so as well, and may yet be undone
        for task, args in session.info.pop(KEY, []):
            task.delay(*args)


@event.listens_for(Session, "after_transaction_end")  # committed, rolled back or just closed
def forget(session: Session, transaction: SessionTransaction) -> None:
    """Forget what wasn't sent."""
    if transaction.parent is None:
        session.info.pop(KEY, None)
