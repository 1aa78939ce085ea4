"""Albums: made, filled, developed as a whole, packed."""

import re
from typing import Any
from uuid import UUID

from flask import Blueprint, abort, request, send_from_directory, url_for
from flask.typing import ResponseReturnValue

from lab.db import db, folder
from lab.models import Album, Photo
from lab.orders import place, standing
from lab.packing import pack
from lab.post import Letter
from lab.views.photos import accepted
from lab.workflow import order_album, sheet
from support import counter

lab = Blueprint("albums", __name__, url_prefix="/albums")


@lab.get("")
def albums() -> dict[str, Any]:
    """List the latest albums."""
    latest = db.select(Album).order_by(Album.made.desc()).limit(6)
    return {"albums": [card(album) for album in db.session.scalars(latest)]}


@lab.post("")
def make() -> ResponseReturnValue:
    """Make an album, empty as yet."""
    name, email = request.form.get("name", "").strip(), request.form.get("email", "")
    if not 0 < len(name) <= 60 or not name.isprintable():
        abort(422, "Send a form in which 'name' is the album's name, 60 letters at most.")
    if len(email) > 120 or not re.fullmatch(
        r"[\w+-]+(\.[\w+-]+)*@[\w-]+(\.[\w-]+)*", email, re.ASCII
    ):
        abort(422, "Send a form in which 'email' is an address, such as you@example.com.")
    album = Album(name=name, email=email)
    db.session.add(album)
    db.session.commit()
    location = url_for(".status", album_id=album.id)
    return {"id": album.id, "status": location}, 201, {"Location": location}


def known(album_id: UUID) -> Album:
    """Return an album, or answer 404."""
    return db.session.get(Album, str(album_id)) or abort(404, "No such album was ever made.")


@lab.post("/<uuid:album_id>/photos")
def put_in(album_id: UUID) -> ResponseReturnValue:
    """Put a photo into an album. It is developed with the whole of it."""
    album = known(album_id)
    if len(album.photos) >= 60:
        abort(422, "This album is full: it holds 60 photos.")
    photo_id = counter.take_in(request, folder("photos"))
    name = request.files["photo"].filename or "photo"
    db.session.add(Photo(id=photo_id, name=name, album_id=album.id))
    db.session.commit()
    return {"id": photo_id}, 201, {"Location": url_for(".status", album_id=album.id)}


@lab.post("/<uuid:album_id>/orders")
def order(album_id: UUID) -> ResponseReturnValue:
    """Order an album: all its photos, the contact sheet, the letter."""
    album = known(album_id)
    if not album.photos:
        abort(422, "This album is empty: put photos in first.")
    order_album(album)
    location = url_for(".status", album_id=album.id)
    return {"id": album.id, "status": location}, 202, {"Location": location}


@lab.post("/<uuid:album_id>/zip")
def order_zip(album_id: UUID) -> ResponseReturnValue:
    """Order an album as one zip file."""
    album = known(album_id)
    if not any(photo.developed for photo in album.photos):
        abort(409, "Nothing in this album is developed yet: order the album first.")
    return accepted(place(pack, album.id, album=album))


@lab.get("/<uuid:album_id>")
def status(album_id: UUID) -> dict[str, Any]:
    """Say how an album stands."""
    return card(known(album_id))


def card(album: Album) -> dict[str, Any]:
    """Return how an album stands: a state of its own, made of those of its orders."""
    orders = album.current_orders()
    stands = [standing(order) or {"state": "EXPIRED"} for order in orders]
    done = sum(stand["state"] == "SUCCESS" for stand in stands)
    begun = any(stand["state"] != "PENDING" for stand in stands)
    sheets = [order.id for order in orders if order.task == sheet.name]
    letter = db.session.get(Letter, sheets[0]) if sheets else None
    finished = bool(letter and letter.sent)
    revoked = any(stand["state"] == "REVOKED" for stand in stands)
    state = "STARTED" if begun else "PENDING" if orders else None
    state = "SUCCESS" if finished else "REVOKED" if revoked else state
    packing = [order for order in album.orders if order.task == pack.name]
    kind, _, message = (album.trouble or "").partition(": ")
    printed = (album.folder / "sheet.jpg").exists()
    packed = (album.folder / "album.zip").exists()
    return {
        "id": album.id,
        "name": album.name,
        "email": album.email,
        "state": "FAILURE" if kind else state,
        "result": {"letter": letter.id} if letter and finished else None,
        "error": {"type": kind, "message": message} if kind else None,
        "progress": {"done": len(orders) if finished else done, "total": len(orders)}
        if orders
        else None,
        "photos": [{"id": photo.id, "name": photo.name} for photo in album.photos],
        "orders": [
            {"photo": order.photo_id} | stand for order, stand in zip(orders, stands, strict=True)
        ],
        "tries": letter.tries if letter else 0,
        "packing": standing(packing[-1]) if packing else None,
        "sheet": url_for(".sheet_file", album_id=album.id) if printed else None,
        "zip": url_for(".zip_file", album_id=album.id) if packed else None,
    }


@lab.get("/<uuid:album_id>/sheet.jpg")
def sheet_file(album_id: UUID) -> ResponseReturnValue:
    """Hand out the contact sheet."""
    return send_from_directory(folder("albums") / str(album_id), "sheet.jpg", max_age=0)


@lab.get("/<uuid:album_id>/album.zip")
def zip_file(album_id: UUID) -> ResponseReturnValue:
    """Hand out the album as one file."""
    return send_from_directory(folder("albums") / str(album_id), "album.zip", as_attachment=True)
