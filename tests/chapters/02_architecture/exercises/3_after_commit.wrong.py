"""Wrong: goes on listening, and sends again at each commit."""

from typing import Any

from celery import Task
from sqlalchemy import event
from sqlalchemy.orm import Session


def send_after_commit(session: Session, task: Task, *args: Any) -> None:
    """Listen for commits."""
    event.listen(session, "after_commit", lambda _session: task.delay(*args))
