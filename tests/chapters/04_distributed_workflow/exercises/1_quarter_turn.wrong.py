"""Wrong: stops when it should, but what is turned by then stays so."""

from pathlib import Path

from celery import Task, shared_task
from PIL import Image

from lab.cancel import stop_if_cancelled
from lab.db import db
from lab.models import Album
from lab.storage import prints_folder


@shared_task(name="tasks.turn", bind=True)
def turn(self: Task, album_id: str) -> dict[str, int]:
    """Turn one by one, each all or nothing."""
    photos = db.session.get_one(Album, album_id).photos
    db.session.commit()
    for done, photo in enumerate(photos):
        stop_if_cancelled(self)
        self.update_state(state="PROGRESS", meta={"done": done, "total": len(photos)})
        for path in prints_folder(photo.id).glob("*.jpg"):
            quarter_turn(path, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
    return {"done": len(photos), "total": len(photos)}


def quarter_turn(source: Path, target: Path) -> None:
    """Turn one print clockwise."""
    with Image.open(source) as image:
        turned = image.transpose(Image.Transpose.ROTATE_270)
    turned.save(target, "JPEG", quality=88, optimize=True, progressive=True)
