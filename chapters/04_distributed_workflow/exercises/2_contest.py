"""The contest: a loop becomes a workflow.

The sharpest photo of an album wins. It alone is developed, and gets a golden frame. The
task `contest` does that in a loop: one photo after the other, in one process.

| what | how your workflow must do it |
| --- | --- |
| measuring | a task for each photo, named tasks.measure; all at the same time |
| the rest | runs when all are measured. No task waits for another with .get() |
| a photo can't be read | it doesn't win. The contest goes on without it |
| an album has one photo | that wins |
| the rest fails | `note_failure` of lab/tasks.py writes down why |
| in the end | the result is the winner's id; winner.jpg is in the album's folder |

The rest fails when no photo can be read, and when the frame can't be stored.

`make check CHAPTER=04` starts a worker with two processes that imports this file, holds
four contests, and watches which task runs where, and when.
"""

from typing import Any

from celery import shared_task
from celery.result import AsyncResult
from PIL import Image, ImageFilter, ImageOps, ImageStat

from lab.db import db
from lab.models import Album
from lab.storage import album_folder, photos_folder, prints_folder
from lab.tasks import develop


def hold_contest(album_id: str, photo_ids: list[str]) -> AsyncResult[Any]:
    """Send what finds the winner; return the result that will hold the winner's id."""
    return contest.delay(album_id)  # TODO: a workflow, of tasks made from what follows


# TODO: several tasks instead of this one
@shared_task(name="tasks.contest")
def contest(album_id: str) -> str:
    """Find the winner, award the prize, and return the winner's id."""
    photos = db.session.get_one(Album, album_id).photos
    db.session.commit()
    best = max(photos, key=lambda photo: sharpness(photo.id))
    award(best.id, album_id)
    return best.id


def sharpness(photo_id: str) -> float:
    """Measure the edges in a photo. Raise OSError if it can't be read."""
    with Image.open(photos_folder() / photo_id) as image:
        edges = image.convert("L").filter(ImageFilter.FIND_EDGES)
    return float(ImageStat.Stat(edges).stddev[0])


def award(photo_id: str, album_id: str) -> None:
    """Develop a photo, and store it in a golden frame as the album's winner.jpg."""
    develop(photo_id)
    with Image.open(prints_folder(photo_id) / "large.jpg") as large:
        framed = ImageOps.expand(large, border=60, fill="gold")
    folder = album_folder(album_id)
    folder.mkdir(parents=True, exist_ok=True)
    framed.save(folder / "winner.part", "JPEG")
    (folder / "winner.part").replace(folder / "winner.jpg")
