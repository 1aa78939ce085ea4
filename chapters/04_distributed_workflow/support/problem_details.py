"""Error answers: problem details (RFC 9457) for programs, a page for people."""

from flask import Flask, Response, json, render_template, request
from PIL import UnidentifiedImageError
from redis.exceptions import RedisError
from werkzeug import exceptions as http

MAX_BYTES = 20_000_000
PROBLEM_JSON = "application/problem+json"


def init_app(app: Flask) -> None:
    """Answer every error of an app with a problem."""
    app.json.sort_keys = False  # type: ignore[attr-defined]  # keys in the order we wrote
    app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES
    app.register_error_handler(http.HTTPException, problem_response)
    app.register_error_handler(http.RequestEntityTooLarge, too_large)
    app.register_error_handler(RedisError, result_backend_unavailable)
    app.register_error_handler(UnidentifiedImageError, unreadable_photo)


def problem_response(error: http.HTTPException) -> Response:
    """Answer with a problem as JSON, or as a page if the client is a browser."""
    problem = {"title": error.name, "status": error.code, "detail": error.description}
    if request.accept_mimetypes.best_match([PROBLEM_JSON, "text/html"]) == "text/html":
        body = render_template("problem.html", **problem)
        content_type = "text/html; charset=utf-8"
    else:
        body = f"{json.dumps(problem)}\n"
        content_type = PROBLEM_JSON
    headers = error.get_headers()
    return Response(body, error.code, headers, content_type=content_type)


def too_large(_: http.RequestEntityTooLarge) -> Response:
    """Answer 413."""
    detail = "This is too large. Send a photo of at most 20 MB."
    return problem_response(http.RequestEntityTooLarge(detail))


def result_backend_unavailable(_: RedisError) -> Response:
    """Answer 503: Redis, which stores the results, doesn't answer."""
    detail = "The result backend doesn't answer. Ask again soon."
    return problem_response(http.ServiceUnavailable(detail, retry_after=5))


def unreadable_photo(error: UnidentifiedImageError) -> Response:
    """Answer 422: the file has a photo's header, and no photo behind it."""
    return problem_response(http.UnprocessableEntity(str(error)))
