"""A long task: an album as one zip file. It says how far it is, and can be told to stop."""

from typing import Any
from zipfile import ZipFile

from celery import Task, shared_task

from lab.cancel import stop_if_taken_back
from lab.db import db
from lab.models import Album
from support import paper


@shared_task(
    name="tasks.pack",
    bind=True,
    soft_time_limit=300,  # seconds; then SoftTimeLimitExceeded is raised in here
    time_limit=330,  # then the process is killed
)
def pack(self: Task[Any, Any], album_id: str) -> dict[str, int]:
    """Frame each photo of an album, without loss, and pack them into one file."""
    album = db.session.get_one(Album, album_id)
    photos = [photo for photo in album.photos if photo.developed]
    album.folder.mkdir(parents=True, exist_ok=True)
    part = album.folder / f"{self.request.id}.part"
    try:
        with ZipFile(part, "w") as archive:
            for done, photo in enumerate(photos):
                stop_if_taken_back(self)
                self.update_state(state="PROGRESS", meta={"done": done, "total": len(photos)})
                archive.writestr(f"{done + 1:02}.png", paper.frame(photo.prints, photo.name))
        size = part.stat().st_size
        part.replace(album.folder / "album.zip")  # all of it or nothing
    finally:  # whatever happened, short of a kill
        part.unlink(missing_ok=True)
    return {"done": len(photos), "total": len(photos), "bytes": size}
