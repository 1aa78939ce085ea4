"""Order a print by the task's name from a worker of the answer, and look at it."""

import re
import shlex
from pathlib import Path
from typing import Any

from celery import Celery
from celery.exceptions import TimeoutError
from celery.result import AsyncResult
from PIL import Image, ImageChops, ImageStat

from support import storage
from workbench.chapter_run import ChapterRun

NAME = "tasks.black_and_white"
PHOTO = "two-halves"
DARK, BRIGHT = (90, 20, 40), (250, 220, 90)  # the left and the right half of the photo


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Order one print, as somebody who knows nothing but the name."""
    save_photo()
    start_worker(chapter_run, answer)
    celery = Celery(broker=chapter_run.broker_url, backend=chapter_run.result_backend)
    result = celery.send_task(NAME, args=[PHOTO])
    try:
        returned = result.get(timeout=10, propagate=False)
    except TimeoutError:
        raise AssertionError(
            "Expected: the task ends within 10 seconds. Yours is still at work."
        ) from None
    expect_success(celery, result, returned, answer)

    path = storage.prints_folder(PHOTO) / "black_and_white.jpg"
    assert path.exists(), (
        "Expected: the print is black_and_white.jpg in the folder of the photo's "
        "prints, storage.prints_folder(photo_id). There is no such file."
    )
    with Image.open(path) as opened:
        expect_grey(opened.convert("RGB"))


def save_photo() -> None:
    """Save a photo whose left half is dark and whose right half is bright."""
    photo = Image.new("RGB", (64, 48), DARK)
    photo.paste(BRIGHT, (32, 0, 64, 48))
    path = storage.photo_path(PHOTO)
    path.parent.mkdir(parents=True, exist_ok=True)
    photo.save(path, "PNG")


def start_worker(chapter_run: ChapterRun, answer: Path) -> None:
    """Start a worker of the answer."""
    path = shlex.quote(str(answer.parent))
    quickly = "--concurrency 1 --without-mingle --without-gossip"
    command = f"PYTHONPATH={path} celery -A {answer.stem} worker {quickly}"
    chapter_run.add("worker of your file", command)
    chapter_run.start("worker of your file")


def expect_success(
    celery: Celery, result: AsyncResult, returned: Any, answer: Path
) -> None:
    """Expect that the worker knew the task, and that it ended well."""
    error = type(returned).__name__
    assert error != "NotRegistered", (
        f"Expected: your worker knows a task with the name {NAME}. It knows: "
        f"{', '.join(known(celery)) or 'none'}. Look at the decorator of the function."
    )
    lines = re.findall(rf'{answer.name}", line (\d+)', str(result.traceback))
    where = f" in line {lines[-1]} of {answer.name}" if lines else ""
    assert result.successful(), (
        f"Expected: the task succeeds. Yours failed{where} with {error}: "
        f"{str(returned)[:120]}."
    )


def expect_grey(image: Image.Image) -> None:
    """Expect shades of grey, dark on the left and bright on the right."""
    red, green, blue = image.split()
    spread = max(
        highest(ImageChops.difference(red, green)),
        highest(ImageChops.difference(green, blue)),
    )
    assert spread <= 8, (
        "Expected: in each pixel red, green and blue are the same. In your print they "
        f"are up to {spread} of 255 apart. Look at the line that converts the photo."
    )
    histogram = green.histogram()
    grey = sum(histogram[25:230]) / sum(histogram)
    assert grey > 0.9, (
        "Expected: shades of grey, such as 50 and 210 of 255. Your print has only "
        'black and white dots. That is mode "1", one bit a pixel: choose another mode.'
    )
    left = ImageStat.Stat(green.crop((0, 0, 24, 48))).mean[0]
    right = ImageStat.Stat(green.crop((40, 0, 64, 48))).mean[0]
    assert right - left > 60, (
        "Expected: the photo's left half is dark, its right half is bright. In your "
        f"print they have the values {left:.0f} and {right:.0f} of 255."
    )


def known(celery: Celery) -> list[str]:
    """Return the names that the worker knows, apart from Celery's own."""
    workers = celery.control.inspect(timeout=5, limit=1).registered() or {}
    names = {name for names in workers.values() for name in names}
    return sorted(name for name in names if not name.startswith("celery."))


def highest(channel: Image.Image) -> int:
    """Return the highest value in a channel."""
    return max(value for value, count in enumerate(channel.histogram()) if count)
