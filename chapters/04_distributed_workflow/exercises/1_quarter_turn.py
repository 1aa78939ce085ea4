"""A quarter turn: all prints of an album, or none.

All prints of an album lie on their side. `turn` turns them, one after the other.

| what happens | what your task must do |
| --- | --- |
| it works | after each photo, store state PROGRESS: {"done": 1, "total": 24} |
| it is done | each print is turned, clockwise. It returns {"done": 24, "total": 24} |
| its order is cancelled | stop soon, in state REVOKED; each print is as it was |
| it meets its soft time limit | end in state FAILURE; each print is as it was |
| a print can't be read | end in state FAILURE; each print is as it was |
| in every case | leave no file that wasn't there before |

Why: if half of the album were turned, nobody could order the task again. It would turn
the first half once too often.

`make check CHAPTER=04` starts a worker that imports this file, has four albums turned,
stops three of them on their way, and compares the files.
"""

from pathlib import Path

from celery import shared_task
from PIL import Image

from lab.db import db
from lab.models import Album
from lab.storage import prints_folder


# TODO: the task needs itself: to report, and to stop if it is cancelled
@shared_task(name="tasks.turn")
def turn(album_id: str) -> dict[str, int]:
    """Turn all prints of an album; return how many photos are done, of how many."""
    photos = db.session.get_one(Album, album_id).photos
    db.session.commit()
    for photo in photos:
        # TODO: say how far it is
        for path in prints_folder(photo.id).glob("*.jpg"):  # small, medium, large
            quarter_turn(path, path)  # TODO: this can't be undone
    return {"done": len(photos), "total": len(photos)}


def quarter_turn(source: Path, target: Path) -> None:
    """Turn one print clockwise, and store it in the same file or in another."""
    with Image.open(source) as image:
        turned = image.transpose(Image.Transpose.ROTATE_270)  # it counts the other way
    turned.save(target, "JPEG", quality=88, optimize=True, progressive=True)
