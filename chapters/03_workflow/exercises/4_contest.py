"""The contest: a loop becomes a workflow.

The sharpest photo of an album wins: it alone is developed and gets a golden frame. `contest` does
so already, in one task: one photo after another, while the other processes of the worker have
nothing to do. One photo that can't be read, and nobody wins. And if it fails, nobody is told.

Let `hold_contest` send a workflow instead. Each photo is measured by a task of its own, named
tasks.measure, all of them at once, as far as there are processes. Once all are measured, the rest
follows: no task waits for another. A photo that can't be read doesn't win, that is all. If the rest
fails (when no photo can be read, say, or the frame can't be stored), `tell` of lab/workflow.py
writes down why. And an album may well have only one photo.

`make check CHAPTER=03` starts a worker with two processes that imports this file, holds four
contests, and watches who does what, and when.
"""

from typing import Any

from celery import shared_task
from celery.result import AsyncResult
from PIL import Image, ImageFilter, ImageOps, ImageStat

from lab.db import db
from lab.models import Album, Photo
from lab.tasks import develop


def hold_contest(album: Album) -> AsyncResult[Any]:
    """Send what finds the winner; return the result that will hold the winner's id."""
    return contest.delay(album.id)  # TODO: a workflow, of tasks that you make from what is here


@shared_task(name="tasks.contest")
def contest(album_id: str) -> str:
    """Find the winner, award the prize, and return the winner's id."""
    album = db.session.get_one(Album, album_id)
    best = max(album.photos, key=sharpness)
    award(best, album)
    return best.id


def sharpness(photo: Photo) -> float:
    """Measure how much goes on at the edges in a photo. Raise OSError if it can't be read."""
    with Image.open(photo.negative) as image:
        edges = image.convert("L").filter(ImageFilter.FIND_EDGES)
    return float(ImageStat.Stat(edges).stddev[0])


def award(photo: Photo, album: Album) -> None:
    """Develop a photo, frame it in gold, and store that as winner.jpg in the album's folder."""
    develop(photo.id)
    with Image.open(photo.prints / "large.jpg") as large:
        framed = ImageOps.expand(large, border=60, fill="gold")
    album.folder.mkdir(parents=True, exist_ok=True)
    framed.save(album.folder / "winner.part", "JPEG")
    (album.folder / "winner.part").replace(album.folder / "winner.jpg")
