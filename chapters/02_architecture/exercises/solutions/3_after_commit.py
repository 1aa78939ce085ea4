"""Send a task after the commit, and only then.

Two gaps are left. If the broker is down, or the process dies, between the commit and
the send, the row is there, but its task was never sent. The error comes out of
`commit`, when all is done, and the session must be closed before it is used again. And
what was wanted in a savepoint is sent with the rest, even if that savepoint was rolled
back.
"""

from typing import Any

from celery import Task
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

KEY = "to send"  # in `session.info`, a dict for our own use


def send_after_commit(session: Session, task: Task, *args: Any) -> None:
    """Send a task once this session's transaction is committed."""
    session.info.setdefault(KEY, []).append((task, args))


# `Session` is the class: this listens to every session of the program.
@event.listens_for(Session, "after_commit")
def send(session: Session) -> None:
    """Send what this session remembers, each once."""
    if session.in_nested_transaction():
        return  # a savepoint is released: all may still be rolled back
    for task, args in session.info.pop(KEY, []):
        task.delay(*args)


@event.listens_for(Session, "after_transaction_end")
def forget(session: Session, transaction: SessionTransaction) -> None:
    """Forget what wasn't sent: the transaction was rolled back, or just closed."""
    if transaction.parent is None:
        session.info.pop(KEY, None)
