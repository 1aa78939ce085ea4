"""Error answers: problem details (RFC 9457) for programs, a page that says the same for people."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Flask, Response, json, render_template, request
from kombu.exceptions import OperationalError
from PIL import UnidentifiedImageError as Unreadable
from redis.exceptions import RedisError
from werkzeug import exceptions as http

# By default a send waits 10 s and more for servers that are away. A visitor would rather be told.
FAIL_FAST = {
    "task_publish_retry_policy": {"max_retries": 0},  # don't send again by yourself
    "broker_connection_timeout": 1,  # seconds, for RabbitMQ; for Redis it is the next line
    "broker_transport_options": {"socket_connect_timeout": 0.4, "socket_timeout": 1.5},
    "redis_socket_connect_timeout": 0.4,  # "redis_" is the result backend
    "redis_socket_timeout": 1.5,
    "result_backend_transport_options": {"retry_policy": {"max_retries": 0}},
}


def init_app(app: Flask) -> None:
    """Answer every error of an app with a problem."""
    app.json.sort_keys = False  # type: ignore[attr-defined]  # answers keep the order we wrote
    app.config["MAX_CONTENT_LENGTH"] = 20_000_000  # bytes
    http.RequestEntityTooLarge.description = "This is too large. Send a photo of at most 20 MB."
    away = http.ServiceUnavailable("The result backend is away. Ask again soon.", retry_after=5)
    app.register_error_handler(http.HTTPException, answer)
    app.register_error_handler(RedisError, lambda _: answer(away))
    app.register_error_handler(Unreadable, lambda e: answer(http.UnprocessableEntity(str(e))))


@contextmanager
def if_not_sent(order_id: str, forget: Callable[[], None]) -> Iterator[None]:
    """Turn a failed send into a 503, and forget the order if it surely never left."""
    try:
        yield
    except (OperationalError, RedisError, RuntimeError) as error:
        detail = f"The queue doesn't answer. It may have your order: see /tasks/{order_id} first."
        # The backend is asked (RuntimeError) before a message leaves; so is a connection.
        unopened = isinstance(error.__cause__, ConnectionRefusedError | socket.gaierror)
        if isinstance(error, RuntimeError) or unopened or "connecting" in str(error):
            forget()
            detail = "The queue can't be reached. Your order wasn't taken: try again in a moment."
        raise http.ServiceUnavailable(detail, retry_after=5) from error


def answer(error: http.HTTPException) -> Response:
    """Answer with a problem, or a page, whichever is wanted."""
    problem = {"title": error.name, "status": error.code, "detail": error.description}
    body, kind = f"{json.dumps(problem)}\n", "application/problem+json"
    if request.accept_mimetypes.best_match([kind, "text/html"]) == "text/html":
        body, kind = render_template("problem.html", **problem), "text/html; charset=utf-8"
    return Response(body, error.code, error.get_headers(), content_type=kind)
