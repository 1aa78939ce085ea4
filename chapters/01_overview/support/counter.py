"""The counter: take in what visitors bring, or say what is wrong with it; write receipts."""

import re
from typing import Any
from uuid import uuid4

from flask import Request, abort, url_for
from PIL import Image

from support import shelf

Image.MAX_IMAGE_PIXELS = None  # Pillow's limit for decompression bombs: ours below is lower


def take_in(request: Request) -> str:
    """Store the uploaded photo under an id nobody can guess, never its own name; return the id."""
    if request.mimetype != "multipart/form-data":
        abort(415, "Send the photo as multipart/form-data, in a field named 'photo'.")
    upload = request.files.get("photo") or abort(400, "Send a photo in a field named 'photo'.")
    try:
        size = Image.open(upload.stream, formats=("JPEG", "PNG", "WEBP")).size  # from its header
    except (OSError, SyntaxError, ValueError):  # Pillow's three ways to say: not an image
        abort(415, "This is not a photo we can read. Send a JPEG, PNG or WebP file.")
    if size[0] * size[1] > 40_000_000 or max(size) > 30 * min(size):
        abort(422, "This photo has too many pixels, or is too thin. Send a smaller one.")
    path = shelf.photo(str(uuid4()))
    path.parent.mkdir(parents=True, exist_ok=True)
    upload.stream.seek(0)
    upload.save(path)
    return path.name


def number(request: Request, field: str) -> float:
    """Return a number from the form, or answer 422."""
    text = request.form.get(field, "")
    if not re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", text, re.ASCII):
        abort(422, f"Send a form in which '{field}' is a number, such as 2 or 2.5.")
    return float(text) if "." in text else int(text)


def receipt(order: shelf.Order, state: str, result: Any) -> dict[str, Any]:
    """Return how an order stands: always these keys, never a traceback."""
    if state == "PENDING" and order.printed:
        state, result = "SUCCESS", None  # the result has expired, the print has not
    failed = state in ("FAILURE", "REVOKED")
    return {
        "id": order.id,
        "task": order.task,
        "state": state,
        "result": result if state == "SUCCESS" else None,
        "error": {"type": type(result).__name__, "message": str(result)} if failed else None,
        "print": url_for("prints", photo_id=order.id, size="large") if order.printed else None,
    }
