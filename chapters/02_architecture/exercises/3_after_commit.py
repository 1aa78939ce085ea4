"""Send a task after the commit, and only then.

A worker is quick: a task that is sent before its row is committed may look for the row in vain. And
if the transaction is rolled back, its work is done for nothing. `place` in lab/orders.py commits
first and sends next. But where several functions write in one transaction, none of them knows when
it will be committed. Write `send_after_commit`: call it at any time, it sends when the time comes.

`make check CHAPTER=02` calls it, commits and rolls back, and looks into the queue at each step.
"""

from typing import Any

from celery import Task
from sqlalchemy.orm import Session


def send_after_commit(session: Session, task: Task[Any, Any], *args: Any) -> None:
    """Send a task once this session's transaction is committed; never, if it is rolled back.

    The session is `db.session()`, with parentheses: `db.session` alone stands for all of them.
    """
    task.delay(*args)  # TODO: this is too early
