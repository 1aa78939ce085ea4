"""A frame around a print."""

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

PAPER, INK = "#fdfbf6", "#3a342c"
BORDERS = (60, 60, 60, 140)  # left, top, right, bottom: there is the name


def frame(path: Path, name: str) -> bytes:
    """Return a print with a white frame and its name, as PNG: nothing is lost."""
    with Image.open(path) as image:
        framed = ImageOps.expand(image.convert("RGB"), BORDERS, fill=PAPER)
    font, corner = ImageFont.load_default(36), (60, framed.height - 110)
    ImageDraw.Draw(framed).text(corner, name[:60], fill=INK, font=font)
    file = io.BytesIO()
    framed.save(file, "PNG", optimize=True)
    return file.getvalue()
