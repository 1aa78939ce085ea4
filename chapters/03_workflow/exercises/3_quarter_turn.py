"""A quarter turn: all prints of an album, or none.

Somebody held the camera upright, and all prints of an album lie on their side. `turn` puts that
right: every print of every photo, a quarter turn clockwise. It takes a while, so it should tell how
far it is, and be ready to stop. But if half the album were turned and half not, nobody could order
the task again: that would turn the first half once too often.

Let it report, as state PROGRESS, how many photos are done of how many: {"done": 3, "total": 24}.
Let it stop if its order is taken back (as `pack` in lab/packing.py does). Whether that is why it
stops, or its soft time limit, or a print that can't be read: each print is then as it was, no file
is there that wasn't there before, and the task is in state REVOKED in the first case, FAILURE in
the others.

`make check CHAPTER=03` starts a worker that imports this file, has four albums turned, stops three
of them on their way, and compares the files.
"""

from pathlib import Path

from celery import shared_task
from PIL import Image

from lab.db import db
from lab.models import Album


@shared_task(name="tasks.turn")
def turn(album_id: str) -> dict[str, int]:
    """Turn all prints of an album, and return how many photos are done, of how many."""
    album = db.session.get_one(Album, album_id)
    for photo in album.photos:
        for path in photo.prints.glob("*.jpg"):  # small, medium, large
            quarter_turn(path, path)  # TODO: this can't be undone. And nobody hears how far it is
    return {"done": len(album.photos), "total": len(album.photos)}


def quarter_turn(source: Path, target: Path) -> None:
    """Turn one print clockwise, and store it in the same file or in another."""
    with Image.open(source) as image:
        turned = image.transpose(Image.Transpose.ROTATE_270)  # which counts the other way round
    turned.save(target, "JPEG", quality=88, optimize=True, progressive=True)
