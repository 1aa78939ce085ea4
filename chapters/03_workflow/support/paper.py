"""Work with prints: a frame for one, a contact sheet for many."""

import io
from pathlib import Path
from uuid import uuid4

from PIL import Image, ImageDraw, ImageFont, ImageOps

WHITE, INK = "#fdfbf6", "#3a342c"


def frame(prints: Path, name: str) -> bytes:
    """Return the large print with a white frame and its name, as PNG: nothing is lost."""
    with Image.open(prints / "large.jpg") as large:
        framed = ImageOps.expand(large.convert("RGB"), (60, 60, 60, 140), fill=WHITE)
    font = ImageFont.load_default(36)
    ImageDraw.Draw(framed).text((60, framed.height - 110), name[:60], fill=INK, font=font)
    file = io.BytesIO()
    framed.save(file, "PNG", optimize=True)
    return file.getvalue()


def contact_sheet(fields: list[tuple[str, Path | None]], target: Path) -> None:
    """Lay the small prints out, four in a row, names below; a field without print stays empty."""
    page = Image.new("RGB", (4 * 320 + 20, (len(fields) + 3) // 4 * 290 + 20), WHITE)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(18)
    for at, (name, prints) in enumerate(fields):
        left, top = 20 + at % 4 * 320, 20 + at // 4 * 290
        pen.rectangle((left, top, left + 299, top + 224), outline=INK)
        if prints:
            with Image.open(prints / "small.jpg") as small:  # over the rectangle
                page.paste(ImageOps.pad(small, (300, 225), color=WHITE), (left, top))
        pen.text((left, top + 232), name[:34], fill=INK, font=font)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{uuid4()}.part")
    page.save(part, "JPEG", quality=88)
    part.replace(target)
