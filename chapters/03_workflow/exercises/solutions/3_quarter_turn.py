"""A quarter turn: all prints of an album, or none.

One gap is left: a task that is killed, or meets its soft time limit, in the few milliseconds of the
last loop. To close it, the album would have to name the folder that holds its prints, in the
database: then one commit would turn them all.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from celery import Task, shared_task
from PIL import Image

from lab.cancel import stop_if_taken_back
from lab.db import db, folder
from lab.models import Album


@shared_task(name="tasks.turn", bind=True, soft_time_limit=300, time_limit=330)
def turn(self: Task[Any, Any], album_id: str) -> dict[str, int]:
    """Turn all prints of an album, and return how many photos are done, of how many."""
    photos = db.session.get_one(Album, album_id).photos
    # In the lab's own folder: on the same disk. Whatever happens, short of a kill, it is removed.
    with TemporaryDirectory(dir=folder("")) as name:
        turned: dict[Path, Path] = {}
        for done, photo in enumerate(photos):
            stop_if_taken_back(self)
            self.update_state(state="PROGRESS", meta={"done": done, "total": len(photos)})
            for path in photo.prints.glob("*.jpg"):
                turned[path] = Path(name, str(len(turned)))
                quarter_turn(path, turned[path])
        stop_if_taken_back(self)  # the last moment for that
        for path, new in turned.items():
            new.replace(path)
    return {"done": len(photos), "total": len(photos)}


def quarter_turn(source: Path, target: Path) -> None:
    """Turn one print clockwise, and store it in the same file or in another."""
    with Image.open(source) as image:
        turned = image.transpose(Image.Transpose.ROTATE_270)  # which counts the other way round
    turned.save(target, "JPEG", quality=88, optimize=True, progressive=True)
