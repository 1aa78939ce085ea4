"""What people bring that is no photo, and what each of it is told."""

import io

import pytest
from PIL import Image


def image(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("1", size).save(file, "PNG")
    return file.getvalue()


def gif() -> bytes:
    file = io.BytesIO()
    Image.new("L", (10, 10)).save(file, "GIF")
    return file.getvalue()


BAD_UPLOADS = [
    pytest.param(b"Not a photo at all.\n", 415, "JPEG, PNG or WebP", id="text"),
    pytest.param(b"", 415, "JPEG, PNG or WebP", id="empty"),
    pytest.param(bytes(30_000_000), 413, "at most 20 MB", id="30MB"),
    pytest.param(image((20000, 20000)), 422, "too many pixels", id="bomb"),
    pytest.param(image((1, 60000)), 422, "too thin", id="thin"),
    pytest.param(image((9000, 5000)), 422, "too many pixels", id="45-megapixels"),
    pytest.param(gif(), 415, "JPEG, PNG or WebP", id="gif"),
    pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(40), 415, "JPEG, PNG or WebP", id="broken-header"),
]
