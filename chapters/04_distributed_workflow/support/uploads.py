"""What visitors send: take it, or say what is wrong with it."""

import re
from pathlib import Path
from uuid import uuid4

from flask import Request, abort
from PIL import Image
from werkzeug.datastructures import FileStorage

MAX_PIXELS = 40_000_000
MAX_SIDES_RATIO = 30
NOT_A_PHOTO = "This is not a photo we can read. Send a JPEG, PNG or WebP file."
TOO_MANY_PIXELS = "This photo has too many pixels, or is too thin. Send a smaller one."


def save_photo(request: Request, folder: Path) -> str:
    """Save the uploaded photo under a new id, not under its own name; return the id."""
    upload = uploaded_photo(request)
    check_size(*image_size(upload))
    photo_id = str(uuid4())  # nobody can guess it
    folder.mkdir(parents=True, exist_ok=True)
    upload.stream.seek(0)
    upload.save(folder / photo_id)
    return photo_id


def uploaded_photo(request: Request) -> FileStorage:
    """Return the file in the form's field 'photo', or answer 415 or 400."""
    if request.mimetype != "multipart/form-data":
        abort(415, "Send the photo as multipart/form-data, in a field named 'photo'.")
    if "photo" not in request.files:
        abort(400, "Send a photo in a field named 'photo'.")
    return request.files["photo"]


def image_size(upload: FileStorage) -> tuple[int, int]:
    """Return width and height in pixels, as the file's header says, or answer 415."""
    try:
        with Image.open(upload.stream, formats=("JPEG", "PNG", "WEBP")) as image:
            return image.size
    except Image.DecompressionBombError:
        abort(422, TOO_MANY_PIXELS)
    except (
        OSError,
        SyntaxError,
        ValueError,
    ):  # Pillow's three ways to say: not an image
        abort(415, NOT_A_PHOTO)


def check_size(width: int, height: int) -> None:
    """Answer 422 for an image that would take too much memory."""
    too_thin = max(width, height) > MAX_SIDES_RATIO * min(width, height)
    if width * height > MAX_PIXELS or too_thin:
        abort(422, TOO_MANY_PIXELS)


def form_number(request: Request, field: str) -> float:
    """Return a number from the form, or answer 422."""
    text = request.form.get(field, "")
    if not re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", text, re.ASCII):
        abort(422, f"Send a form in which '{field}' is a number, such as 2 or 2.5.")
    return float(text) if "." in text else int(text)
