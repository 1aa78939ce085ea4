"""What to answer when a database can't be used."""

from flask import Flask, Response, current_app
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import ServiceUnavailable

from support.problem_details import problem_response


def init_app(app: Flask) -> None:
    """Answer 503 to errors of the lab's own database."""
    app.register_error_handler(DBAPIError, database_unavailable)


def database_unavailable(error: DBAPIError) -> Response:
    """Answer 503. Only the log says why: the error's text may hold secrets."""
    current_app.logger.error("The lab's own database can't be used: %s", error.orig)
    detail = "The lab's own database can't be used. Ask again soon."
    return problem_response(ServiceUnavailable(detail, retry_after=5))
