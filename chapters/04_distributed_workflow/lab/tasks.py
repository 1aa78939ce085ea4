"""The tasks: those of an album's workflow, and one that takes long by itself."""

import time
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from celery import Task, shared_task
from PIL import UnidentifiedImageError

from lab.cancel import is_cancelled, stop_if_cancelled
from lab.db import db
from lab.models import Album, Photo
from lab.storage import album_folder, photos_folder, prints_folder
from support import contact_sheet, frame, imaging
from support.status import describe_error


@shared_task(name="tasks.develop")
def develop(photo_id: str) -> dict[str, Any]:
    """Develop one photo and say how many seconds that took."""
    started = time.perf_counter()
    imaging.develop(photos_folder() / photo_id, prints_folder(photo_id))
    return {"photo": photo_id, "seconds": round(time.perf_counter() - started, 2)}


@shared_task(name="tasks.develop_or_report")
def develop_or_report(photo_id: str) -> dict[str, Any]:
    """Develop a photo. That it can't be read is a result, too, and no failure."""
    try:
        return develop(photo_id)  # a call, not a message
    except UnidentifiedImageError as error:
        return {"photo": photo_id, "error": str(error)}


@shared_task(name="tasks.make_contact_sheet")
def make_contact_sheet(results: list[dict[str, Any]], album_id: str) -> str:
    """Lay out what the tasks before have developed, and return the album's id."""
    album = db.session.get_one(Album, album_id)
    names = {photo.id: photo.name for photo in album.photos}
    db.session.commit()  # no transaction stays open during the work
    fields = [contact_field(result, names) for result in results]
    contact_sheet.draw(fields, album_folder(album_id) / "sheet.jpg")
    return album_id


def contact_field(result: dict[str, Any], names: dict[str, str]) -> contact_sheet.Field:
    """Return a photo's name and its small print; no print if it couldn't be read."""
    name = names[result["photo"]]
    if "error" in result:
        return name, None
    return name, prints_folder(result["photo"]) / "small.jpg"


@shared_task(name="tasks.publish_album")
def publish_album(album_id: str) -> dict[str, float]:
    """Mark an album as published. Doing it twice does no harm."""
    album = db.session.get_one(Album, album_id)
    album.published_at = time.time()
    db.session.commit()
    return {"published_at": album.published_at}


@shared_task(name="tasks.note_failure")
def note_failure(
    request: Any, error: Exception, traceback: object, album_id: str
) -> None:
    """Write down why an album isn't finished: Celery calls this if a part failed."""
    if is_cancelled(request.id):
        return  # Celery calls this then, too; but nothing has failed
    album = db.session.get_one(Album, album_id)
    album.failed_at, album.error = time.time(), describe_error(error)
    db.session.commit()


@shared_task(
    name="tasks.pack",
    bind=True,
    soft_time_limit=300,  # seconds; then SoftTimeLimitExceeded is raised in here
    time_limit=330,  # then the process is killed
)
def pack(self: Task, album_id: str) -> dict[str, int]:
    """Frame each developed photo of an album, and pack them into one file."""
    photos = developed_photos(db.session.get_one(Album, album_id))
    db.session.commit()
    folder = album_folder(album_id)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{self.request.id}.part"
    try:
        write_zip(self, photos, part)
        size = part.stat().st_size
        part.replace(folder / "album.zip")  # all of it or nothing
    finally:  # in every case but a kill
        part.unlink(missing_ok=True)
    return {"done": len(photos), "total": len(photos), "bytes": size}


def developed_photos(album: Album) -> list[Photo]:
    """Return the photos of an album that have prints."""
    return [
        photo
        for photo in album.photos
        if (prints_folder(photo.id) / "large.jpg").exists()
    ]


def write_zip(task: Task, photos: list[Photo], path: Path) -> None:
    """Write the framed photos; before each, look whether to stop, and say how far."""
    with ZipFile(path, "w") as archive:
        for done, photo in enumerate(photos):
            stop_if_cancelled(task)
            progress = {"done": done, "total": len(photos)}
            task.update_state(state="PROGRESS", meta=progress)
            framed = frame.frame(prints_folder(photo.id) / "large.jpg", photo.name)
            archive.writestr(f"{done + 1:02}.png", framed)
