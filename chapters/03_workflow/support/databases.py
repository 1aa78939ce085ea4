"""What to say of a database that can't be used: the lab's own, or the one with results."""

from traceback import format_tb

from flask import Response
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import ServiceUnavailable

from support import problems


def away(error: DBAPIError) -> Response:
    """Say which of the two it is, and why."""
    asked_celery = "celery/result.py" in str(format_tb(error.__traceback__))
    what = "result backend" if asked_celery else "lab's own database"
    detail = f"The {what} can't be used ({error.orig}). Ask again soon."
    return problems.answer(ServiceUnavailable(detail, retry_after=5))
