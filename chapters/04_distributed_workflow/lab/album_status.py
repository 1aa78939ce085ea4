"""How albums are doing: each has a state, which is made of the states of its orders."""

from collections.abc import Sequence
from typing import Any

from flask import url_for

from lab.cancel import REASON
from lab.models import Album, Order
from lab.order_status import EXPIRED, order_statuses
from lab.storage import album_folder
from support.status import Status

CANCELLED = {"type": "TaskRevokedError", "message": REASON}
TOO_OLD = {"type": "Expired", "message": "The results have expired. Order it again."}


def album_statuses(albums: Sequence[Album]) -> list[dict[str, Any]]:
    """Return how albums are doing. The result backend is asked once for all of them."""
    orders: list[Order] = []
    for album in albums:
        orders += workflow_orders(album) + packing_orders(album)
    statuses = order_statuses(orders)
    return [describe_album(album, statuses) for album in albums]


def workflow_orders(album: Album) -> list[Order]:
    """Return the orders of an album's latest workflow; none if it wasn't ordered."""
    ids = [order.workflow_id for order in album.orders if order.workflow_id]
    return [order for order in album.orders if order.workflow_id in ids[-1:]]


def packing_orders(album: Album) -> list[Order]:
    """Return the latest order to pack an album, alone in a list, or an empty list."""
    return [order for order in album.orders if order.workflow_id is None][-1:]


def describe_album(album: Album, statuses: dict[str, Status]) -> dict[str, Any]:
    """Return what the page shows of an album."""
    orders = workflow_orders(album)
    packing = [statuses[order.id] for order in packing_orders(album)]
    states = [statuses[order.id]["state"] for order in orders]
    state = album_state(album, orders[0].placed_at if orders else 0, states)
    published = {"published_at": album.published_at}
    return {
        "id": album.id,
        "name": album.name,
        "state": state,
        "result": published if state == "SUCCESS" else None,
        "error": album_error(album, state),
        "progress": album_progress(state, states),
        "photos": [{"id": photo.id, "name": photo.name} for photo in album.photos],
        "orders": [{"photo": order.photo_id, **statuses[order.id]} for order in orders],
        "packing": packing[0] if packing else None,
        "sheet": file_url(album, "sheet.jpg"),
        "zip": file_url(album, "album.zip"),
    }


def album_state(album: Album, ordered_at: float, states: list[str]) -> str | None:
    """Return one of Celery's states for the whole album; None if it wasn't ordered."""
    if (album.published_at or 0) > max(ordered_at, album.failed_at or 0):
        return "SUCCESS"
    if "REVOKED" in states:
        return "REVOKED"
    if (album.failed_at or 0) > ordered_at or EXPIRED in states:
        return "FAILURE"
    if not states:
        return None
    if set(states) == {"PENDING"}:
        return "PENDING"
    return "STARTED"


def album_error(album: Album, state: str | None) -> dict[str, str] | None:
    """Return why an album isn't done and won't be, in the shape of a task's error."""
    errors = {"REVOKED": CANCELLED, "FAILURE": album.error or TOO_OLD}
    return errors.get(state or "")


def album_progress(state: str | None, states: list[str]) -> dict[str, int] | None:
    """Return how many of the tasks are done; None if none was ordered."""
    if not states:
        return None
    # The last task marks the album as published a moment before its own SUCCESS.
    done = len(states) if state == "SUCCESS" else states.count("SUCCESS")
    return {"done": done, "total": len(states)}


def file_url(album: Album, name: str) -> str | None:
    """Return the address of one of an album's files; None if there is none yet."""
    if not (album_folder(album.id) / name).exists():
        return None
    return url_for("albums.get_file", album_id=album.id, name=name)
