"""The views: what visitors ask for."""

from typing import Any
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    abort,
    jsonify,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import joinedload

from lab.db import db
from lab.models import Order, Photo
from lab.order_status import order_status, order_statuses
from lab.orders import place_order
from lab.storage import photo_path, photos_folder, prints_folder
from lab.tasks import develop, my_task
from support import uploads
from support.etag import with_etag
from support.status import Status

bp = Blueprint("photos", __name__)


@bp.get("/")
def index() -> str:
    """Show the page."""
    return render_template("index.html")


@bp.get("/photos")
def list_photos() -> Response:
    """List the latest photos, each with the status of its last order."""
    latest = db.select(Photo).order_by(Photo.uploaded_at.desc()).limit(60)
    with_orders = latest.options(joinedload(Photo.orders, innerjoin=True))
    photos = db.session.scalars(with_orders).unique().all()
    last_orders = [photo.orders[-1] for photo in photos]
    statuses = order_statuses(last_orders)
    answers = [
        describe_photo(photo, statuses[order.id])
        for photo, order in zip(photos, last_orders, strict=True)
    ]
    return with_etag(jsonify(photos=answers))


def describe_photo(photo: Photo, status: Status | None) -> dict[str, Any]:
    """Return what the page shows of a photo, with the status of its last order."""
    return {
        "id": photo.id,
        "name": photo.name,
        "seconds": photo.seconds,
        "again": again_url(photo),
        "order": status,
    }


def again_url(photo: Photo) -> str | None:
    """Return where the photo can be ordered again; None if its file is gone."""
    if not photo_path(photo.id).exists():
        return None
    return url_for(".order_again", photo_id=photo.id)


@bp.post("/photos")
def upload_photo() -> ResponseReturnValue:
    """Save a photo, and order its prints."""
    photo_id = uploads.save_photo(request, photos_folder())
    photo = Photo(id=photo_id, name=request.files["photo"].filename or "photo")
    order = place_order(develop, photo_id, photo=photo)
    return accepted(order)


@bp.post("/photos/<uuid:photo_id>/orders")
def order_again(photo_id: UUID) -> ResponseReturnValue:
    """Order the prints of a photo once more."""
    photo = get_photo_or_404(photo_id)
    if not photo_path(photo.id).exists():
        abort(410, "This photo could not be read, and was deleted. Upload another.")
    order = place_order(develop, photo.id, photo=photo)
    return accepted(order)


@bp.post("/my-task")
def order_my_task() -> ResponseReturnValue:
    """Order the article's task, with two numbers from the form."""
    arg1 = uploads.form_number(request, "arg1")
    arg2 = uploads.form_number(request, "arg2")
    order = place_order(my_task, arg1, arg2)
    return accepted(order)


def accepted(order: Order) -> ResponseReturnValue:
    """Answer 202: the order is taken, not done; its status is at this address."""
    location = url_for(".get_status", task_id=order.id)
    return {"id": order.id, "status": location}, 202, {"Location": location}


@bp.get("/tasks/<uuid:task_id>")
def get_status(task_id: UUID) -> Response:
    """Say how an order is doing."""
    order = get_order_or_404(task_id)
    status = order_status(order)
    if status is None:
        abort(410, "The result of this order has expired. Order it again.")
    return with_etag(jsonify(status))


@bp.get("/prints/<uuid:photo_id>/<any(small, medium, large):size>.jpg")
def get_print(photo_id: UUID, size: str) -> Response:
    """Send a print."""
    return send_from_directory(prints_folder(str(photo_id)), f"{size}.jpg")


def get_photo_or_404(photo_id: UUID) -> Photo:
    """Return a photo, or answer 404."""
    unknown = "There is no photo with this id."
    return db.get_or_404(Photo, str(photo_id), description=unknown)


def get_order_or_404(task_id: UUID) -> Order:
    """Return an order, or answer 404."""
    unknown = "There is no order with this id."
    return db.get_or_404(Order, str(task_id), description=unknown)
