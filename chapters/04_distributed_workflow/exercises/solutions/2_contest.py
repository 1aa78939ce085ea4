"""The contest: a loop becomes a workflow.

`chord(header, body)` calls its body with a list, even if the header is one task. A
chain that is given a group makes the same chord of it, but not of a group of one: of
that it takes the task, and what follows gets a dict instead of a list. Written as
`group | ...` it stays a list.
"""

from typing import Any

from celery import chain, chord, shared_task
from celery.result import AsyncResult
from PIL import Image, ImageFilter, ImageOps, ImageStat

from lab.storage import album_folder, photos_folder, prints_folder
from lab.tasks import develop, note_failure


def hold_contest(album_id: str, photo_ids: list[str]) -> AsyncResult[Any]:
    """Send what finds the winner; return the result that will hold the winner's id."""
    rest = chain(judge.s(), award_prize.s(album_id))
    rest.on_error(note_failure.s(album_id))  # for each part of the rest
    return chord([measure.s(photo_id) for photo_id in photo_ids], rest).apply_async()


@shared_task(name="tasks.measure")
def measure(photo_id: str) -> dict[str, Any]:
    """Measure one photo. That it can't be read is a result, too."""
    try:
        return {"photo": photo_id, "sharpness": sharpness(photo_id)}
    except OSError as error:
        return {"photo": photo_id, "error": str(error)}


@shared_task(name="tasks.judge")
def judge(results: list[dict[str, Any]]) -> str:
    """Return the id of the sharpest photo."""
    measured = [result for result in results if "sharpness" in result]
    if not measured:
        raise ValueError("no photo can be read, so nobody wins")
    best = max(measured, key=lambda result: float(result["sharpness"]))
    return str(best["photo"])


@shared_task(name="tasks.award")
def award_prize(photo_id: str, album_id: str) -> str:
    """Award the prize to a photo, and return its id. Twice does no harm."""
    award(photo_id, album_id)
    return photo_id


def sharpness(photo_id: str) -> float:
    """Measure the edges in a photo. Raise OSError if it can't be read."""
    with Image.open(photos_folder() / photo_id) as image:
        edges = image.convert("L").filter(ImageFilter.FIND_EDGES)
    return float(ImageStat.Stat(edges).stddev[0])


def award(photo_id: str, album_id: str) -> None:
    """Develop a photo, and store it in a golden frame as the album's winner.jpg."""
    develop(photo_id)
    with Image.open(prints_folder(photo_id) / "large.jpg") as large:
        framed = ImageOps.expand(large, border=60, fill="gold")
    folder = album_folder(album_id)
    folder.mkdir(parents=True, exist_ok=True)
    framed.save(folder / "winner.part", "JPEG")
    (folder / "winner.part").replace(folder / "winner.jpg")
