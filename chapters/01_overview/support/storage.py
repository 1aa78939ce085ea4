"""Where photos, prints and orders are: files in a folder that web and worker share."""

import os
import time
from pathlib import Path
from typing import NamedTuple

CHAPTER = Path(__file__).resolve().parent.parent
LAB = Path(os.environ.get("LAB_DIR") or CHAPTER / "var")
PHOTOS = LAB / "photos"
ORDERS = LAB / "orders"


class Order(NamedTuple):
    """An order as it was written before its task was sent. Its id is the task's."""

    id: str
    task: str
    age: float  # seconds


def photo_path(photo_id: str) -> Path:
    """Return a photo's file."""
    return PHOTOS / photo_id


def prints_folder(photo_id: str) -> Path:
    """Return the folder of a photo's prints."""
    return LAB / "prints" / photo_id


def is_developed(photo_id: str) -> bool:
    """Tell whether the prints are there: the large one is the last."""
    return (prints_folder(photo_id) / "large.jpg").exists()


def save_order(order_id: str, task: str) -> None:
    """Write an order into a file named by its id."""
    ORDERS.mkdir(parents=True, exist_ok=True)
    (ORDERS / order_id).write_text(task)


def find_order(order_id: str) -> Order | None:
    """Return an order, or None if there is none with this id."""
    path = ORDERS / order_id
    if not path.exists():
        return None
    return Order(order_id, path.read_text(), time.time() - path.stat().st_mtime)


def forget_order(order_id: str) -> None:
    """Delete an order that was not sent, and its photo."""
    (ORDERS / order_id).unlink(missing_ok=True)
    photo_path(order_id).unlink(missing_ok=True)
