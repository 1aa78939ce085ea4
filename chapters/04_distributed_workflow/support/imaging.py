"""Work on photos: about a second of computing for a sample photo."""

import io
import struct
from pathlib import Path
from uuid import uuid4

from PIL import Image, ImageEnhance, ImageFilter, ImageOps, UnidentifiedImageError

DAMAGED = "This photo can't be read: the file is damaged."
SIZES = {"small": 480, "medium": 960, "large": 1600}  # longest edge in pixels


def develop(photo: Path, folder: Path) -> None:
    """Make three prints of a photo in a folder. Doing it twice does no harm."""
    image = improve(read_photo(photo))
    folder.mkdir(parents=True, exist_ok=True)
    for name, edge in SIZES.items():  # the large one last: it shows that all are there
        save_jpeg(ImageOps.contain(image, (edge, edge)), folder / f"{name}.jpg")


def read_photo(photo: Path) -> Image.Image:
    """Return a photo, upright; delete a file that can't be read, and say so."""
    try:
        with Image.open(photo) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        if is_system_error(error) and photo.exists():
            raise  # the photo may be all right
        photo.unlink(missing_ok=True)
        raise UnidentifiedImageError(DAMAGED) from error
    largest = SIZES["large"]
    upright.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    return upright


def is_system_error(error: Exception) -> bool:
    """Tell whether the system failed (a full disk): Pillow's errors have no errno."""
    return isinstance(error, OSError) and error.errno is not None


def improve(image: Image.Image) -> Image.Image:
    """Give a photo the look of film: contrast, warm lights, cool shadows, no grain."""
    image = ImageOps.autocontrast(image, cutoff=0.5).point(film_table())
    image = ImageEnhance.Color(image).enhance(1.25)
    image = image.filter(ImageFilter.MedianFilter(5))  # most of the time goes here
    return image.filter(ImageFilter.UnsharpMask(radius=2, percent=140, threshold=2))


def film_table() -> list[int]:
    """Return the new value of each value (0 to 255), for red, then green, then blue."""
    curve = [film_curve(value / 255) for value in range(256)]
    red = [min(255, round(1.03 * value)) for value in curve]
    green = [round(value) for value in curve]
    blue = [round(0.94 * value + 8) for value in curve]
    return red + green + blue


def film_curve(tone: float) -> float:
    """Bend a tone (0 to 1) into a soft S, and return it as a value from 10 to 248."""
    s_curve = tone * tone * (3 - 2 * tone)
    return 10 + 238 * (0.55 * tone + 0.45 * s_curve)


def save_jpeg(image: Image.Image, path: Path) -> None:
    """Write a file, all of it or nothing: nobody finds half an image under its name."""
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=88, progressive=True)
    part = path.with_name(f"{path.stem}-{uuid4()}.part")  # nobody else writes into it
    part.write_bytes(
        jpeg.getvalue()
    )  # raises an error if the disk is full; Pillow doesn't
    part.replace(path)
