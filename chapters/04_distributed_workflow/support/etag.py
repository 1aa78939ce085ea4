"""Answers that say when nothing has changed."""

from flask import Response, request


def with_etag(response: Response) -> Response:
    """Answer 304, without a body, to a client that has this answer (RFC 9110, 13)."""
    response.add_etag()
    response.make_conditional(request)
    return response
