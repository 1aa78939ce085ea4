"""Where photos, prints and orders lie: files in one folder, shared by web and worker."""

import os
import time
from pathlib import Path
from typing import NamedTuple

from flask import url_for

KEPT_SECONDS = 24 * 60 * 60  # how long a result is kept, and how long an order may wait
LAB = Path(os.environ.get("LAB_DIR") or Path(__file__).resolve().parent.parent / "var")


class Order(NamedTuple):
    """An order as it was written down before its task was sent."""

    id: str
    task: str
    age: float  # seconds

    def print_url(self) -> str | None:
        """Return the address of its print, if it is there."""
        there = (prints(self.id) / "large.jpg").exists()
        return url_for("prints", photo_id=self.id, size="large") if there else None


def photo(photo_id: str) -> Path:
    """Return where a photo lies."""
    return LAB / "photos" / photo_id


def prints(photo_id: str) -> Path:
    """Return the folder for a photo's prints."""
    return LAB / "prints" / photo_id


def write_order(order_id: str, task: str) -> None:
    """Write an order down, in a file named by its id."""
    (LAB / "orders").mkdir(parents=True, exist_ok=True)
    (LAB / "orders" / order_id).write_text(task)


def find_order(order_id: str) -> Order | None:
    """Return an order, or None if it was never written down."""
    path = LAB / "orders" / order_id
    age = time.time() - path.stat().st_mtime if path.exists() else None
    return None if age is None else Order(order_id, path.read_text(), age)


def discard(order_id: str) -> None:
    """Forget an order that was never sent, and its photo."""
    (LAB / "orders" / order_id).unlink(missing_ok=True)
    photo(order_id).unlink(missing_ok=True)
