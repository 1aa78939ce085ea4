"""The photo work: about a second of honest computing for a sample photo."""

import io
import struct
from pathlib import Path
from uuid import uuid4

from PIL import Image, ImageEnhance, ImageFilter, ImageOps, UnidentifiedImageError

SIZES = {"small": 480, "medium": 960, "large": 1600}  # longest edge in pixels


def develop(photo: Path, folder: Path) -> None:
    """Make three prints of a photo in a folder, the large one last. Twice does no harm."""
    try:
        with Image.open(photo) as negative:
            image = ImageOps.exif_transpose(negative).convert("RGB")
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        if getattr(error, "errno", None) and photo.exists():
            raise  # the disk's trouble, or the system's: the photo may be all right
        photo.unlink(missing_ok=True)
        raise UnidentifiedImageError(str(error)) from None
    image.thumbnail((SIZES["large"], SIZES["large"]), Image.Resampling.LANCZOS)
    # The look of film: tones bent into a soft S, warm lights, cool shadows.
    curve = [10 + 238 * (0.55 * (x := v / 255) + 0.45 * x * x * (3 - 2 * x)) for v in range(256)]
    table = [min(255, round(a * v + b)) for a, b in ((1.03, 0), (1, 0), (0.94, 8)) for v in curve]
    image = ImageEnhance.Color(ImageOps.autocontrast(image, cutoff=0.5).point(table)).enhance(1.25)
    image = image.filter(ImageFilter.MedianFilter(5))  # removes grain; most of the time goes here
    image = image.filter(ImageFilter.UnsharpMask(radius=2, percent=140, threshold=2))
    folder.mkdir(parents=True, exist_ok=True)
    for name, edge in SIZES.items():
        file = io.BytesIO()  # Pillow wouldn't notice that the disk is full
        ImageOps.contain(image, (edge, edge)).save(file, "JPEG", quality=88, progressive=True)
        part = folder / f"{name}-{uuid4()}.part"  # nobody else writes into it
        part.write_bytes(file.getvalue())
        part.replace(folder / f"{name}.jpg")  # all of it or nothing
