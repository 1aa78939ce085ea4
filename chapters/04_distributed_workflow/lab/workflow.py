"""The chord of simple_chord.py, with an order for each of its tasks."""

import time

from celery import Signature, Task, chain, chord

from lab.config import RESULT_EXPIRES
from lab.models import Album, Order, new_id
from lab.orders import send, write_orders
from lab.tasks import (
    develop_or_report,
    make_contact_sheet,
    note_failure,
    publish_album,
)


def order_album(album: Album) -> Order:
    """Order all tasks of an album as one workflow; return the order of the last one."""
    orders = write_album_orders(album)
    send(build_workflow(album, orders), orders)
    return orders[-1]


def write_album_orders(album: Album) -> list[Order]:
    """Write an order for each task of the workflow."""
    parts: list[tuple[Task, str | None]] = [
        (develop_or_report, photo.id) for photo in album.photos
    ]
    parts += [(make_contact_sheet, None), (publish_album, None)]
    workflow_id, now = new_id(), time.time()
    orders = [
        Order(
            task=task.name,
            photo_id=photo_id,
            album=album,
            placed_at=now,
            workflow_id=workflow_id,
            position=position,
        )
        for position, (task, photo_id) in enumerate(parts)
    ]
    write_orders(orders)
    return orders


def build_workflow(album: Album, orders: list[Order]) -> Signature:
    """Build the chord; each task gets the id of its order."""
    *developing, laying_out, publishing = orders
    header = [
        develop_or_report.s(order.photo_id).set(
            task_id=order.id, expires=RESULT_EXPIRES
        )
        for order in developing
    ]
    body = chain(
        make_contact_sheet.s(album.id).set(task_id=laying_out.id),
        publish_album.s().set(task_id=publishing.id),
    )
    body.on_error(note_failure.s(album.id))
    return chord(header, body)
