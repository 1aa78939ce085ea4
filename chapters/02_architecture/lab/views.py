"""The views: what visitors ask for."""

from typing import Any
from uuid import UUID

from flask import Blueprint, abort, render_template, request, send_from_directory, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import joinedload

from lab.models import Order, Photo, db, folder
from lab.orders import place, standing
from lab.tasks import develop, my_task
from support import counter

lab = Blueprint("lab", __name__)


@lab.get("/")
def index() -> str:
    """Show the page."""
    return render_template("index.html")


@lab.get("/photos")
def gallery() -> dict[str, Any]:
    """List the latest photos, and how the last order of each stands (null if it has expired)."""
    photos = db.select(Photo).order_by(Photo.taken_in.desc()).limit(60)
    together = photos.options(joinedload(Photo.orders))  # an order may be taken back meanwhile
    latest = db.session.scalars(together).unique()
    return {"photos": [card(photo) | {"order": standing(photo.orders[-1])} for photo in latest]}


def card(photo: Photo) -> dict[str, Any]:
    """Return what the gallery shows of a photo."""
    again = url_for(".order_again", photo_id=photo.id) if photo.negative.exists() else None
    return {"id": photo.id, "name": photo.name, "seconds": photo.seconds, "again": again}


@lab.post("/photos")
def take_in() -> ResponseReturnValue:
    """Take a photo in, and order its prints."""
    photo_id = counter.take_in(request, folder("photos"))
    photo = Photo(id=photo_id, name=request.files["photo"].filename or "photo")
    return accepted(place(develop, photo_id, photo=photo))


@lab.post("/photos/<uuid:photo_id>/orders")
def order_again(photo_id: UUID) -> ResponseReturnValue:
    """Order the prints of a photo once more."""
    photo = db.session.get(Photo, str(photo_id)) or abort(404, "No such photo was ever taken in.")
    if not photo.negative.exists():
        abort(410, "This photo could not be read, and was thrown away. Hand in another.")
    return accepted(place(develop, photo.id, photo=photo))


@lab.post("/my-task")
def order_my_task() -> ResponseReturnValue:
    """Order the article's task, with two numbers from the form."""
    arg1, arg2 = counter.number(request, "arg1"), counter.number(request, "arg2")
    return accepted(place(my_task, arg1, arg2))


def accepted(order: Order) -> ResponseReturnValue:
    """Answer 202: we have it, it isn't done, ask here."""
    location = url_for(".status", task_id=order.id)
    return {"id": order.id, "status": location}, 202, {"Location": location}


@lab.get("/tasks/<uuid:task_id>")
def status(task_id: UUID) -> ResponseReturnValue:
    """Say how an order stands."""
    found = db.session.get(Order, str(task_id)) or abort(404, "No such order was ever taken.")
    return standing(found) or abort(410, "The result of this order has expired. Order it again.")


@lab.get("/prints/<uuid:photo_id>/<any(small, medium, large):size>.jpg")
def prints(photo_id: UUID, size: str) -> ResponseReturnValue:
    """Hand out a print."""
    return send_from_directory(folder("prints") / str(photo_id), f"{size}.jpg")
