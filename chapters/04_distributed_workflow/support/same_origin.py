"""Refuse requests that another site makes a visitor's browser send."""

from urllib.parse import urlsplit

from flask import Flask, Request, abort, request

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")  # RFC 9110, 9.2.1: they change nothing


def init_app(app: Flask) -> None:
    """Answer 403 to unsafe requests that come from another site's page."""
    app.before_request(refuse_other_sites)


def refuse_other_sites() -> None:
    """Answer 403 if a browser sends this request for another site."""
    if request.method not in SAFE_METHODS and is_cross_site(request):
        abort(403, "This request was sent by another site. Use the lab's own page.")


def is_cross_site(request: Request) -> bool:
    """Tell what the browser says; a program that sends neither header is no browser.

    Sec-Fetch-Site is W3C's Fetch Metadata; older browsers send Origin (RFC 6454).
    """
    fetch_site = request.headers.get("Sec-Fetch-Site")
    if fetch_site is not None:
        return fetch_site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    if origin is not None:
        return urlsplit(origin).netloc != request.host
    return False
