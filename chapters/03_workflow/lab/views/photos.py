"""Photos: handed in, developed, put into the window now or later."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, abort, render_template, request, send_from_directory, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import selectinload

from lab.cancel import take_back
from lab.db import db, folder
from lab.models import Order, Photo
from lab.orders import place, standing
from lab.tasks import develop, my_task, publish
from support import counter

lab = Blueprint("photos", __name__)


@lab.get("/")
def index() -> str:
    """Show the page."""
    return render_template("index.html")


@lab.get("/photos")
def gallery() -> dict[str, Any]:
    """List the latest photos that are in no album, each with its last order and publication."""
    photos = db.select(Photo).filter_by(album_id=None).order_by(Photo.taken_in.desc()).limit(60)
    together = photos.options(selectinload(Photo.orders))  # an order may be taken back meanwhile
    return {"photos": [card(photo) for photo in db.session.scalars(together)]}


def card(photo: Photo) -> dict[str, Any]:
    """Return what the gallery shows of a photo (an order is null if it has expired)."""
    last = {order.task: order for order in photo.orders}
    planned = last.get(publish.name)
    return {
        "id": photo.id,
        "name": photo.name,
        "seconds": photo.seconds,
        "published": photo.published,
        "again": url_for(".order_again", photo_id=photo.id) if photo.negative.exists() else None,
        "publish": url_for(".order_publication", photo_id=photo.id),
        "order": standing(last[develop.name]),
        "publication": planned and {"due": planned.due, "order": standing(planned)},
    }


@lab.post("/photos")
def take_in() -> ResponseReturnValue:
    """Take a photo in, and order its prints."""
    photo_id = counter.take_in(request, folder("photos"))
    photo = Photo(id=photo_id, name=request.files["photo"].filename or "photo")
    return accepted(place(develop, photo_id, photo=photo))


def known(photo_id: UUID) -> Photo:
    """Return a photo, or answer 404."""
    return db.session.get(Photo, str(photo_id)) or abort(404, "No such photo was ever taken in.")


@lab.post("/photos/<uuid:photo_id>/orders")
def order_again(photo_id: UUID) -> ResponseReturnValue:
    """Order the prints of a photo once more."""
    photo = known(photo_id)
    if not photo.negative.exists():
        abort(410, "This photo could not be read, and was thrown away. Hand in another.")
    return accepted(place(develop, photo.id, photo=photo))


@lab.post("/photos/<uuid:photo_id>/publication")
def order_publication(photo_id: UUID) -> ResponseReturnValue:
    """Have a photo published at the time in the form."""
    photo, eta = known(photo_id), moment(request.form.get("at", ""))
    planned = [order for order in photo.orders if order.task == publish.name]
    if any((standing(order) or {}).get("state") == "PENDING" for order in planned):
        abort(409, "This photo is to be published already: take that back first.")
    return accepted(place(publish, photo.id, photo=photo, eta=eta))


def moment(text: str) -> datetime:
    """Read a time that is aware and to come, or answer 422."""
    example = "such as 2026-12-24T17:00:00Z"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        abort(422, f"Send a form in which 'at' is a time, {example}.")
    if found.tzinfo is None:
        abort(422, f"In which time zone? Add the offset to 'at', {example}.")
    if not timedelta(0) < found - datetime.now(UTC) < timedelta(days=365):
        abort(422, "This time is past, or more than a year away.")
    return found


@lab.post("/my-task")
def order_my_task() -> ResponseReturnValue:
    """Order the article's task, with two numbers from the form."""
    arg1, arg2 = counter.number(request, "arg1"), counter.number(request, "arg2")
    return accepted(place(my_task, arg1, arg2))


def accepted(order: Order) -> ResponseReturnValue:
    """Answer 202: we have it, it isn't done, ask here."""
    location = url_for("photos.status", task_id=order.id)
    return {"id": order.id, "status": location}, 202, {"Location": location}


@lab.get("/tasks/<uuid:task_id>")
def status(task_id: UUID) -> ResponseReturnValue:
    """Say how an order stands."""
    order = db.session.get(Order, str(task_id)) or abort(404, "No such order was ever taken.")
    return standing(order) or abort(410, "The result of this order has expired. Order it again.")


@lab.delete("/tasks/<uuid:task_id>")
def cancel(task_id: UUID) -> ResponseReturnValue:
    """Take an order back, if it isn't done."""
    order = db.session.get(Order, str(task_id)) or abort(404, "No such order was ever taken.")
    if (standing(order) or {"state": None})["state"] in ("SUCCESS", "FAILURE", None):
        abort(409, "This order is done: it can't be taken back any more.")
    take_back(order)
    return standing(order) or {}, 202


@lab.get("/prints/<uuid:photo_id>/<any(small, medium, large):size>.jpg")
def prints(photo_id: UUID, size: str) -> ResponseReturnValue:
    """Hand out a print."""
    return send_from_directory(folder("prints") / str(photo_id), f"{size}.jpg")
