"""Send tasks.black_and_white by its name to a worker of the answer, and look at the print."""

import re
import shlex
from pathlib import Path

from celery import Celery
from celery.exceptions import TimeoutError
from PIL import Image, ImageChops

from support import shelf
from workbench.chapter_run import ChapterRun

NAME = "tasks.black_and_white"
DARK, BRIGHT = (90, 20, 40), (250, 220, 90)  # the left and the right half of the photo


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Order one print, as somebody who knows nothing but the name."""
    photo = Image.new("RGB", (64, 48), DARK)
    photo.paste(BRIGHT, (32, 0, 64, 48))
    shelf.photo("two-halves").parent.mkdir(parents=True, exist_ok=True)
    photo.save(shelf.photo("two-halves"), "PNG")

    path = shlex.quote(str(answer.parent))
    worker = f"celery -A {answer.stem} worker --concurrency 1 --without-mingle --without-gossip"
    chapter_run.add("worker of your file", f"PYTHONPATH={path} {worker}")
    chapter_run.start("worker of your file")
    celery = Celery(broker=chapter_run.broker_url, backend=chapter_run.result_backend)
    result = celery.send_task(NAME, args=["two-halves"])
    try:
        returned = result.get(timeout=10, propagate=False)
    except TimeoutError:
        raise AssertionError("The task ends within 10 seconds.") from None

    error = type(returned).__name__
    assert error != "NotRegistered", (
        f"The worker knows a task by the name {NAME}. "
        f"Yours knows: {', '.join(known(celery)) or 'none'}."
    )
    place = re.findall(rf'{answer.name}", line (\d+)', str(result.traceback))
    where = f", in line {place[-1]} of {answer.name}" if place else ""
    assert result.successful(), (
        f"The task ends well. Yours ends with {error}: {returned}{where}."
    )

    file = shelf.prints("two-halves") / "black_and_white.jpg"
    assert file.exists(), (
        "The print is the file black_and_white.jpg among the photo's prints."
    )
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    red, green, blue = image.split()
    spread = max(
        top(ImageChops.difference(red, green)), top(ImageChops.difference(green, blue))
    )
    assert spread <= 8, (
        "The print is black and white: a pixel's red, green and blue are the same. "
        f"In yours they are up to {spread} of 255 apart."
    )
    width, height = image.size
    left, right = (
        top(green.crop((x, 0, x + 1, height))) for x in (width // 4, width * 3 // 4)
    )
    assert right - left > 60, (
        "The print shows the photo: dark stays dark, and bright stays bright."
    )


def known(celery: Celery) -> list[str]:
    """Return the names that the worker knows, apart from Celery's own."""
    workers = celery.control.inspect(timeout=5, limit=1).registered() or {}
    names = {name for names in workers.values() for name in names}
    return sorted(name for name in names if not name.startswith("celery."))


def top(channel: Image.Image) -> int:
    """Return the highest value in a channel."""
    return max(value for value, count in enumerate(channel.histogram()) if count)
