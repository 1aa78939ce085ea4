"""Wrong: tidies up after its soft time limit, and then says that all went well."""

from pathlib import Path
from tempfile import TemporaryDirectory

from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from flask import current_app
from PIL import Image

from lab.cancel import stop_if_cancelled
from lab.db import db
from lab.models import Album
from lab.storage import prints_folder


@shared_task(name="tasks.turn", bind=True)
def turn(self: Task, album_id: str) -> dict[str, int]:
    """End quietly."""
    photos = db.session.get_one(Album, album_id).photos
    db.session.commit()
    turned, done = {}, 0
    with TemporaryDirectory(dir=current_app.config["DIR"]) as name:
        try:
            for done, photo in enumerate(photos):
                stop_if_cancelled(self)
                self.update_state(state="PROGRESS", meta={"done": done, "total": len(photos)})
                for path in prints_folder(photo.id).glob("*.jpg"):
                    turned[path] = Path(name, str(len(turned)))
                    quarter_turn(path, turned[path])
        except SoftTimeLimitExceeded:
            return {"done": done, "total": len(photos)}
        for path, new in turned.items():
            new.replace(path)
    return {"done": len(photos), "total": len(photos)}


def quarter_turn(source: Path, target: Path) -> None:
    """Turn one print clockwise."""
    with Image.open(source) as image:
        turned = image.transpose(Image.Transpose.ROTATE_270)
    turned.save(target, "JPEG", quality=88, optimize=True, progressive=True)
