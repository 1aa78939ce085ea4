"""Wrong: stops when it should, but what is turned by then stays so."""

from pathlib import Path
from typing import Any

from celery import Task, shared_task
from PIL import Image

from lab.cancel import stop_if_taken_back
from lab.db import db
from lab.models import Album


@shared_task(name="tasks.turn", bind=True)
def turn(self: Task[Any, Any], album_id: str) -> dict[str, int]:
    """Turn one by one, each all or nothing."""
    photos = db.session.get_one(Album, album_id).photos
    for done, photo in enumerate(photos):
        stop_if_taken_back(self)
        self.update_state(state="PROGRESS", meta={"done": done, "total": len(photos)})
        for path in photo.prints.glob("*.jpg"):
            quarter_turn(path, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
    return {"done": len(photos), "total": len(photos)}


def quarter_turn(source: Path, target: Path) -> None:
    """Turn one print clockwise."""
    with Image.open(source) as image:
        turned = image.transpose(Image.Transpose.ROTATE_270)
    turned.save(target, "JPEG", quality=88, optimize=True, progressive=True)
