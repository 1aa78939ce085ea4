"""Send a task after the commit, and only then.

| after `send_after_commit(session, task, 1)` | the task is sent |
| --- | --- |
| the session's transaction is committed | once, then |
| a later transaction is committed, too | not again |
| it is rolled back, or the session is closed | never, not even at the next commit |
| a savepoint is released (`begin_nested`) | not yet: all may still be rolled back |
| another session is committed | not yet |

`place_order` in lab/orders.py commits first, and sends then. But where several
functions write in one transaction, none of them knows when it will be committed.

`make check CHAPTER=02` does all of this, and looks into the queue at each step.
"""

from typing import Any

from celery import Task
from sqlalchemy.orm import Session


def send_after_commit(session: Session, task: Task, *args: Any) -> None:
    """Send a task once this session's transaction is committed.

    The session is `db.session()`: without parentheses it stands for all of them.
    """
    task.delay(*args)  # TODO: this is too early. Only remember it


# TODO: send what is remembered after the commit; forget it otherwise
