"""Wrong: a task waits for others."""

from typing import Any

from celery import group, shared_task
from celery.result import AsyncResult, allow_join_result
from PIL import Image, ImageFilter, ImageOps, ImageStat

from lab.db import db
from lab.models import Album, Photo
from lab.tasks import develop
from lab.workflow import tell


def hold_contest(album: Album) -> AsyncResult[Any]:
    """Send it."""
    return contest.apply_async([album.id], link_error=tell.s(album.id))


@shared_task(name="tasks.contest")
def contest(album_id: str) -> str:
    """Send, wait, go on."""
    album = db.session.get_one(Album, album_id)
    with allow_join_result():
        results = group(measure.s(photo.id) for photo in album.photos)().get()
    return award_prize(judge(results), album_id)


@shared_task(name="tasks.measure")
def measure(photo_id: str) -> dict[str, Any]:
    """Measure one photo. That it can't be read is a result, too."""
    try:
        return {"photo": photo_id, "sharpness": sharpness(db.session.get_one(Photo, photo_id))}
    except OSError as error:
        return {"photo": photo_id, "error": str(error)}


@shared_task(name="tasks.judge")
def judge(results: list[dict[str, Any]]) -> str:
    """Return the id of the sharpest photo."""
    measured = {found["photo"]: found["sharpness"] for found in results if "sharpness" in found}
    if not measured:
        raise ValueError("no photo can be read, so nobody wins")
    return max(measured, key=lambda photo_id: measured[photo_id])


@shared_task(name="tasks.award")
def award_prize(photo_id: str, album_id: str) -> str:
    """Award the prize to a photo, and return its id. Twice does no harm."""
    award(db.session.get_one(Photo, photo_id), db.session.get_one(Album, album_id))
    return photo_id


def sharpness(photo: Photo) -> float:
    """Measure how much goes on at the edges in a photo. Raise OSError if it can't be read."""
    with Image.open(photo.negative) as image:
        edges = image.convert("L").filter(ImageFilter.FIND_EDGES)
    return float(ImageStat.Stat(edges).stddev[0])


def award(photo: Photo, album: Album) -> None:
    """Develop a photo, frame it in gold, and store that as winner.jpg in the album's folder."""
    develop(photo.id)
    with Image.open(photo.prints / "large.jpg") as large:
        framed = ImageOps.expand(large, border=60, fill="gold")
    album.folder.mkdir(parents=True, exist_ok=True)
    framed.save(album.folder / "winner.part", "JPEG")
    (album.folder / "winner.part").replace(album.folder / "winner.jpg")
