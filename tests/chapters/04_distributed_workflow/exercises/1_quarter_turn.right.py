"""Right as well: a file beside each print, reports after each photo, a clean-up at any error."""

from pathlib import Path

from celery import Task, shared_task
from PIL import Image

from lab.cancel import stop_if_cancelled
from lab.db import db
from lab.models import Album
from lab.storage import prints_folder


@shared_task(name="tasks.turn", bind=True)
def turn(self: Task, album_id: str) -> dict[str, int]:
    """Turn beside, then put into place."""
    album = db.session.get_one(Album, album_id)
    progress = {"done": 0, "total": len(album.photos)}
    parts: list[Path] = []
    try:
        for photo in album.photos:
            for path in sorted(prints_folder(photo.id).glob("*.jpg")):
                parts.append(path.with_suffix(".turned"))
                quarter_turn(path, parts[-1])
            stop_if_cancelled(self)
            progress["done"] += 1
            self.update_state(state="PROGRESS", meta=progress)
    except BaseException:
        for part in parts:
            part.unlink(missing_ok=True)
        raise
    for part in parts:
        part.rename(part.with_suffix(".jpg"))
    return progress


def quarter_turn(source: Path, target: Path) -> None:
    """Turn one print clockwise."""
    with Image.open(source) as image:
        turned = image.transpose(Image.Transpose.ROTATE_270)
    turned.save(target, "JPEG", quality=88, optimize=True, progressive=True)
