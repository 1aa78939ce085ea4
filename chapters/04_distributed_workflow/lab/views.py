"""The views: what visitors ask for."""

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
from sqlalchemy.orm import selectinload

from lab.album_status import album_statuses
from lab.cancel import cancel_orders
from lab.db import db
from lab.models import Album, Order, Photo
from lab.order_status import order_statuses
from lab.orders import place_order
from lab.storage import album_folder, photos_folder
from lab.tasks import developed_photos, pack
from lab.workflow import order_album
from support import uploads
from support.etag import with_etag

bp = Blueprint("albums", __name__)


@bp.get("/")
def index() -> str:
    """Show the page."""
    return render_template("index.html")


@bp.get("/albums")
def list_albums() -> Response:
    """List the latest albums."""
    latest = db.select(Album).order_by(Album.created_at.desc()).limit(6)
    together = selectinload(Album.photos), selectinload(Album.orders)
    albums = db.session.scalars(latest.options(*together)).all()
    return with_etag(jsonify(albums=album_statuses(albums)))


@bp.post("/albums")
def create_album() -> ResponseReturnValue:
    """Create an album without photos."""
    name = request.form.get("name", "").strip()
    if not 0 < len(name) <= 60 or not name.isprintable():
        abort(422, "Send a form with the album's 'name', of 60 letters at most.")
    album = Album(name=name)
    db.session.add(album)
    db.session.commit()
    location = url_for(".get_album", album_id=album.id)
    return {"id": album.id, "status": location}, 201, {"Location": location}


@bp.get("/albums/<uuid:album_id>")
def get_album(album_id: UUID) -> Response:
    """Say how an album is doing."""
    album = get_album_or_404(album_id)
    return with_etag(jsonify(album_statuses([album])[0]))


@bp.post("/albums/<uuid:album_id>/photos")
def add_photo(album_id: UUID) -> ResponseReturnValue:
    """Add a photo to an album. It is developed when the album is ordered."""
    album = get_album_or_404(album_id)
    if len(album.photos) >= 60:
        abort(422, "This album is full: it holds 60 photos.")
    photo_id = uploads.save_photo(request, photos_folder())
    name = request.files["photo"].filename or "photo"
    album.photos.append(Photo(id=photo_id, name=name))
    db.session.commit()
    location = url_for(".get_album", album_id=album.id)
    return {"id": photo_id}, 201, {"Location": location}


@bp.post("/albums/<uuid:album_id>/orders")
def order_whole_album(album_id: UUID) -> ResponseReturnValue:
    """Order an album: its photos, its contact sheet, its publication."""
    album = get_album_or_404(album_id)
    if not album.photos:
        abort(422, "This album is empty: add photos first.")
    last_order = order_album(album)
    return accepted(last_order, url_for(".get_album", album_id=album.id))


@bp.delete("/albums/<uuid:album_id>/orders")
def cancel_whole_album(album_id: UUID) -> ResponseReturnValue:
    """Cancel an album's workflow, and those that were ordered before it."""
    album = get_album_or_404(album_id)
    if album_statuses([album])[0]["state"] not in ("PENDING", "STARTED"):
        abort(409, "This album is done, or not on order: nothing is to be cancelled.")
    cancel_orders([order for order in album.orders if order.workflow_id])
    return album_statuses([album])[0], 202


@bp.post("/albums/<uuid:album_id>/zip")
def order_zip(album_id: UUID) -> ResponseReturnValue:
    """Order an album as one zip file."""
    album = get_album_or_404(album_id)
    if not developed_photos(album):
        abort(409, "No photo of this album is developed yet: order the album first.")
    order = place_order(pack, album)
    return accepted(order, url_for(".get_status", task_id=order.id))


def accepted(order: Order, location: str) -> ResponseReturnValue:
    """Answer 202: the order is taken, not done; its status is at this address."""
    return {"id": order.id, "status": location}, 202, {"Location": location}


@bp.get("/albums/<uuid:album_id>/<any('sheet.jpg', 'album.zip'):name>")
def get_file(album_id: UUID, name: str) -> Response:
    """Send the contact sheet or the zip file."""
    return send_from_directory(album_folder(str(album_id)), name, max_age=0)


@bp.get("/tasks/<uuid:task_id>")
def get_status(task_id: UUID) -> Response:
    """Say how an order is doing."""
    order = get_order_or_404(task_id)
    status = order_statuses([order])[order.id]
    if status["state"] == "EXPIRED":
        abort(410, "The result of this order has expired. Order it again.")
    return with_etag(jsonify(status))


@bp.delete("/tasks/<uuid:task_id>")
def cancel(task_id: UUID) -> ResponseReturnValue:
    """Cancel one order."""
    order = get_order_or_404(task_id)
    if order_statuses([order])[order.id]["state"] in ("SUCCESS", "FAILURE", "EXPIRED"):
        abort(409, "This order is done: it can't be cancelled any more.")
    cancel_orders([order])
    return order_statuses([order])[order.id], 202


def get_album_or_404(album_id: UUID) -> Album:
    """Return an album, or answer 404."""
    return db.get_or_404(Album, str(album_id), description="There is no such album.")


def get_order_or_404(task_id: UUID) -> Order:
    """Return an order, or answer 404."""
    return db.get_or_404(Order, str(task_id), description="There is no such order.")
