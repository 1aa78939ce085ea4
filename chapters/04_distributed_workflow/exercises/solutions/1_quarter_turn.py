"""A quarter turn: all prints of an album, or none.

One gap is left: a task that is killed, or meets its soft time limit, in the few
milliseconds of the last loop. To close it, the album's row would have to name the
folder that holds its prints. Then one commit would turn them all.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from celery import Task, shared_task
from flask import current_app
from PIL import Image

from lab.cancel import stop_if_cancelled
from lab.db import db
from lab.models import Album
from lab.storage import prints_folder


@shared_task(name="tasks.turn", bind=True, soft_time_limit=300, time_limit=330)
def turn(self: Task, album_id: str) -> dict[str, int]:
    """Turn all prints of an album; return how many photos are done, of how many."""
    photos = db.session.get_one(Album, album_id).photos
    db.session.commit()
    turned: dict[Path, Path] = {}
    # In the lab's own folder: on the same disk. It is deleted, but for a kill.
    with TemporaryDirectory(dir=current_app.config["DIR"]) as folder:
        for done, photo in enumerate(photos, start=1):
            stop_if_cancelled(self)
            for path in prints_folder(photo.id).glob("*.jpg"):
                turned[path] = Path(folder, str(len(turned)))
                quarter_turn(path, turned[path])
            progress = {"done": done, "total": len(photos)}
            self.update_state(state="PROGRESS", meta=progress)
        stop_if_cancelled(self)  # the last moment for that
        for path, new in turned.items():
            new.replace(path)
    return {"done": len(photos), "total": len(photos)}


def quarter_turn(source: Path, target: Path) -> None:
    """Turn one print clockwise, and store it in the same file or in another."""
    with Image.open(source) as image:
        turned = image.transpose(Image.Transpose.ROTATE_270)  # it counts the other way
    turned.save(target, "JPEG", quality=88, optimize=True, progressive=True)
