"""Error answers: problem details (RFC 9457) for programs, a page that says the same for people."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, Response, json, render_template, request
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError, TimeoutError
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from support import shelf

# By default a send waits 19 s for a backend that refuses, and minutes for one that is silent.
# A worker may be so patient; a visitor would rather be told. Only the web side uses these.
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
    app.register_error_handler(HTTPException, _answer)
    app.register_error_handler(ConnectionError, _backend_down)
    app.register_error_handler(TimeoutError, _backend_down)


@contextmanager
def if_not_sent(order_id: str) -> Iterator[None]:
    """Turn a failed send into a 503, and forget the order if it surely never left."""
    try:
        yield
    except (OperationalError, RuntimeError) as error:
        detail = f"The queue doesn't answer. It may have your order: see /tasks/{order_id} first."
        if _never_left(error):
            shelf.discard(order_id)
            detail = "The queue can't be reached. Nothing was ordered: try again in a moment."
        raise ServiceUnavailable(detail, retry_after=5) from error


def _never_left(error: BaseException) -> bool:
    """Tell whether the message can't have reached the broker; if unsure, say no.

    RuntimeError: the result backend is away, which Celery notices before it publishes.
    """
    if isinstance(error, RuntimeError | ConnectionRefusedError) or "connecting" in str(error):
        return True
    return error.__cause__ is not None and _never_left(error.__cause__)


def _backend_down(_error: Exception) -> Response:
    detail = "The result backend can't be reached. Your order is kept: ask again in a moment."
    return _answer(ServiceUnavailable(detail, retry_after=5))


def _answer(error: HTTPException) -> Response:
    problem = {"title": error.name, "status": error.code, "detail": error.description}
    kind = request.accept_mimetypes.best_match(["application/problem+json", "text/html"])
    page = kind == "text/html"
    body = render_template("problem.html", **problem) if page else json.dumps(problem) + "\n"
    answer = Response(body, error.code, error.get_headers())
    answer.content_type = "text/html; charset=utf-8" if page else "application/problem+json"
    return answer
