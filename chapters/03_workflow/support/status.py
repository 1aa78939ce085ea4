"""The answer to: how is this order doing? The same keys in every state."""

from typing import Any

from celery.exceptions import ChordError
from PIL import UnidentifiedImageError

Status = dict[str, Any]
FAILED_STATES = ("FAILURE", "REVOKED")
# Errors of these packages may quote an address with its password, or a row. An OSError
# may quote a path.
PRIVATE_PACKAGES = ("kombu", "psycopg", "redis", "sqlite3")


def status_answer(
    task_id: str, task: str, state: str, result: object, print_url: str | None
) -> Status:
    """Return how an order is doing. `result` is the task's result, or its exception."""
    if state == "PENDING" and print_url:
        state, result = "SUCCESS", None  # the result has expired, the print is there
    return {
        "id": task_id,
        "task": task,
        "state": state,
        "result": result if state == "SUCCESS" else None,
        "error": describe_error(result) if state in FAILED_STATES else None,
        "print": print_url,
    }


def describe_error(error: object) -> dict[str, str]:
    """Return an error's type, and its text if everybody may read it."""
    message = str(error)
    if isinstance(error, ChordError):  # it quotes the error of a task before it
        message = "A task before it failed: the status of that task says why."
    elif is_private(error):
        message = "The worker's log says more."
    return {"type": type(error).__name__, "message": message}


def is_private(error: object) -> bool:
    """Tell whether an error's text may hold what visitors must not see."""
    if isinstance(error, UnidentifiedImageError):
        return False  # an OSError, too, but the text is ours
    package = type(error).__module__.partition(".")[0]
    has_statement = hasattr(error, "statement")  # SQLAlchemy's, with SQL and its values
    return isinstance(error, OSError) or package in PRIVATE_PACKAGES or has_statement
