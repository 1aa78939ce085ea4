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

from lab.cancel import cancel_order
from lab.db import db
from lab.letters import deliver
from lab.models import Letter, Order, Photo, new_id
from lab.order_status import order_status, order_statuses
from lab.orders import place_order
from lab.storage import photo_path, photos_folder, prints_folder
from lab.tasks import develop, my_task, publish
from support import forms, uploads
from support.etag import with_etag
from support.status import Status

bp = Blueprint("photos", __name__)


@bp.get("/")
def index() -> str:
    """Show the page."""
    return render_template("index.html")


@bp.get("/photos")
def list_photos() -> Response:
    """List the latest photos, each with the status of its last orders."""
    latest = db.select(Photo).order_by(Photo.uploaded_at.desc()).limit(60)
    with_orders = latest.options(joinedload(Photo.orders, innerjoin=True))
    photos = db.session.scalars(with_orders).unique().all()
    last_orders = {photo.id: photo.last_orders() for photo in photos}
    orders: list[Order] = []
    for orders_of_photo in last_orders.values():
        orders += orders_of_photo.values()
    statuses = order_statuses(orders)
    answers = [
        describe_photo(photo, last_orders[photo.id], statuses) for photo in photos
    ]
    return with_etag(jsonify(photos=answers))


def describe_photo(
    photo: Photo, orders: dict[str, Order], statuses: dict[str, Status | None]
) -> dict[str, Any]:
    """Return what the page shows of a photo: an order is null if it has expired."""
    return {
        "id": photo.id,
        "name": photo.name,
        "seconds": photo.seconds,
        "published_at": photo.published_at,
        "again": again_url(photo),
        "orders": {task: statuses[order.id] for task, order in orders.items()},
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


@bp.post("/photos/<uuid:photo_id>/publication")
def order_publication(photo_id: UUID) -> ResponseReturnValue:
    """Order that a photo is published, at the time in the form."""
    photo = get_photo_or_404(photo_id)
    eta = forms.form_time(request, "at")
    planned = photo.last_orders().get(publish.name)
    status = order_status(planned) if planned else None
    if status and status["state"] == "PENDING":
        abort(409, "This photo is to be published already: cancel that first.")
    order = place_order(publish, photo.id, photo=photo, eta=eta)
    return accepted(order)


@bp.post("/photos/<uuid:photo_id>/letters")
def order_letter(photo_id: UUID) -> ResponseReturnValue:
    """Order a letter with the print, to the address in the form."""
    photo = get_photo_or_404(photo_id)
    to = forms.form_email(request, "email")
    if photo.developed_at is None:
        abort(409, "There is no print yet: wait until the photo is developed.")
    letter = Letter(
        id=new_id(),
        to=to,
        subject=f"Your print: {photo.name[:60]}",
        text="Here is your print. Thank you for coming to the photo lab.\n",
        photo_id=photo.id,
    )
    order = place_order(deliver, letter.id, photo=photo, letter=letter)
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


@bp.delete("/tasks/<uuid:task_id>")
def delete_order(task_id: UUID) -> ResponseReturnValue:
    """Cancel an order, unless it has ended."""
    order = get_order_or_404(task_id)
    status = order_status(order)
    if status is None or status["state"] in ("SUCCESS", "FAILURE"):
        abort(409, "This order has ended: it can't be cancelled any more.")
    cancel_order(order)
    return order_status(order) or {}, 202


@bp.get("/prints/<uuid:photo_id>/<any(small, medium, large):size>.jpg")
def get_print(photo_id: UUID, size: str) -> Response:
    """Send a print."""
    return send_from_directory(prints_folder(str(photo_id)), f"{size}.jpg")


def get_photo_or_404(photo_id: UUID) -> Photo:
    """Return a photo, or answer 404."""
    return db.get_or_404(Photo, str(photo_id), description="There is no such photo.")


def get_order_or_404(task_id: UUID) -> Order:
    """Return an order, or answer 404."""
    return db.get_or_404(Order, str(task_id), description="There is no such order.")
