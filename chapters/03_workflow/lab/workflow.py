"""A workflow: develop the photos of an album in parallel, lay them out, mail the sheet."""

import time
from typing import Any

from celery import Task, chain, chord, shared_task
from PIL import UnidentifiedImageError

from lab.db import db
from lab.models import Album, Order, Photo, new_id
from lab.post import Letter, deliver, write
from lab.tasks import develop
from support import paper, problems


@shared_task(name="tasks.try_to_develop")
def try_to_develop(photo_id: str) -> dict[str, Any]:
    """Develop a photo. One that can't be read is a result too, or it would spoil the album."""
    try:
        return {"photo": photo_id} | develop(photo_id)  # a call, not a message
    except UnidentifiedImageError as error:
        return {"photo": photo_id, "error": str(error)}


@shared_task(name="tasks.sheet", bind=True)
def sheet(self: Task[Any, Any], results: list[dict[str, Any]], album_id: str) -> str:
    """Lay out what was developed, write a letter about it, and return the letter's id."""
    album = db.session.get_one(Album, album_id)
    errors = {result["photo"]: result.get("error") for result in results}
    photos = [photo for photo in album.photos if photo.id in errors]  # some may have come since
    paper.contact_sheet(
        [(photo.name, None if errors[photo.id] else photo.prints) for photo in photos],
        album.folder / "sheet.jpg",
    )
    letter_id = str(self.request.id)  # should this run twice, it is the same letter
    broken = sum(error is not None for error in errors.values())
    text = f"Developed: {len(errors) - broken}. Could not be read: {broken}."
    letter = Letter(id=letter_id, to=album.email, subject=f"Album: {album.name}", text=text)
    letter.picture = f"albums/{album.id}/sheet.jpg"
    write(letter)
    return letter_id


@shared_task(name="tasks.tell")
def tell(request: Any, error: Exception, trace: object, album_id: str) -> None:
    """Write down why an album was not finished. Celery calls this when a part has failed."""
    db.session.get_one(Album, album_id).trouble = f"{type(error).__name__}: {error}"
    db.session.commit()


def order_album(album: Album) -> Order:
    """Write down all orders of an album, commit, send them as one workflow; return the last."""
    before = album.ordered, album.trouble
    album.ordered, album.trouble = time.time(), None
    developing = [new_order(try_to_develop, album, photo) for photo in album.photos]
    laying_out, delivering = new_order(sheet, album), new_order(deliver, album)
    db.session.commit()
    header = [try_to_develop.s(order.photo_id).set(task_id=order.id) for order in developing]
    body = chain(
        sheet.s(album.id).set(task_id=laying_out.id), deliver.s().set(task_id=delivering.id)
    )
    body.on_error(tell.s(album.id))
    with problems.if_not_sent(delivering.id, forget=lambda: forget_orders(album, *before)):
        chord(header, body).apply_async()
    return delivering


def new_order(task: Task[Any, Any], album: Album, photo: Photo | None = None) -> Order:
    """Add a row for one task of the workflow, under an id that is known before it is sent."""
    order = Order(id=new_id(), task=task.name, photo=photo, album=album, placed=album.ordered)
    db.session.add(order)
    return order


def forget_orders(album: Album, ordered: float | None, trouble: str | None) -> None:
    """Remove the latest orders of an album, whose workflow was not sent; it is as it was before."""
    for order in album.current_orders():
        db.session.delete(order)
    album.ordered, album.trouble = ordered, trouble
    db.session.commit()
