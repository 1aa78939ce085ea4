"""The lesson's shortest start: a workflow in an app of the reader's own."""

import os
from typing import Any

from celery import Celery, chord
from celery.result import AsyncResult

app = Celery(
    "thumbnails",
    broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "redis://localhost:6379/1"),
)
app.conf.task_default_queue = "thumbnails"


def make_thumbnail(image: str) -> str:
    """Stand in for the reader's own work."""
    if image.startswith("broken"):
        raise ValueError(f"{image} can't be read")
    if image.startswith("bug"):
        raise TypeError(image)
    return f"small {image}"


@app.task(name="thumbnails.make_or_report")
def make_or_report(image: str) -> dict[str, str]:
    """Make a thumbnail. That it can't be made is a result, too."""
    try:
        return {"image": image, "thumbnail": make_thumbnail(image)}
    except ValueError as error:  # only what is to be expected
        return {"image": image, "error": str(error)}


@app.task(name="thumbnails.make_page")
def make_page(results: list[dict[str, str]], title: str) -> str:
    """Put what was made on one page."""
    made = [result["thumbnail"] for result in results if "thumbnail" in result]
    return f"{title}: {', '.join(made)}"


@app.task(name="thumbnails.note_failure")
def note_failure(request: Any, error: Exception, traceback: Any, title: str) -> None:
    """Say why a page isn't made."""
    print(f"{title} isn't made: {error!r}")


def order_page(images: list[str], title: str) -> AsyncResult:
    """Send the workflow; the result is the page's."""
    header = [make_or_report.s(image) for image in images]
    body = make_page.s(title).on_error(note_failure.s(title))
    return chord(header)(body)
