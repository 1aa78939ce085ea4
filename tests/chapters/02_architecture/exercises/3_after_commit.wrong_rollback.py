"""Wrong: what a rolled back transaction wanted is sent after the next commit."""

from typing import Any

from celery import Task
from sqlalchemy import event
from sqlalchemy.orm import Session


def send_after_commit(session: Session, task: Task, *args: Any) -> None:
    """Listen for one commit, whenever it comes."""
    event.listen(session, "after_commit", lambda _session: task.delay(*args), once=True)
