"""The counter: take in what visitors bring, or say what is wrong with it; write receipts."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from celery.result import AsyncResult
from flask import Request, abort
from PIL import Image

Image.MAX_IMAGE_PIXELS = None  # Pillow's limit for decompression bombs: ours below is lower


def take_in(request: Request, folder: Path) -> str:
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
    photo_id = str(uuid4())
    folder.mkdir(parents=True, exist_ok=True)
    upload.stream.seek(0)
    upload.save(folder / photo_id)
    return photo_id


def number(request: Request, field: str) -> float:
    """Return a number from the form, or answer 422."""
    text = request.form.get(field, "")
    if not re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", text, re.ASCII):
        abort(422, f"Send a form in which '{field}' is a number, such as 2 or 2.5.")
    return float(text) if "." in text else int(text)


def receipt(found: AsyncResult[object], task: str, url: Callable[[], object]) -> dict[str, object]:
    """Return how an order stands, always with these keys; `url` gives the print's, once there."""
    state, result, printed = found.state, found.result, url()  # the state is stored last
    if state == "PENDING" and printed:
        state, result = "SUCCESS", None  # the result has expired, the print has not
    failed = state in ("FAILURE", "REVOKED")
    return {
        "id": found.id,
        "task": task,
        "state": state,
        "result": result if state == "SUCCESS" else None,
        "error": {"type": type(result).__name__, "message": str(result)} if failed else None,
        "print": printed,
    }
