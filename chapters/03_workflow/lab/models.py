"""The rows. Times are seconds since 1970, UTC."""

import time
from uuid import uuid4

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lab.db import Base


def new_id() -> str:
    """Return an id that nobody can guess."""
    return str(uuid4())


class Photo(Base):
    """A photo. Its pixels are in a file: see storage.py."""

    __tablename__ = "photo"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]  # as its owner calls it: to show, never to open
    uploaded_at: Mapped[float] = mapped_column(default=time.time)
    seconds: Mapped[float | None]  # of work, once it is developed
    developed_at: Mapped[float | None]  # the last time
    published_at: Mapped[float | None]
    orders: Mapped[list["Order"]] = relationship(
        back_populates="photo", order_by="Order.placed_at"
    )

    def last_orders(self) -> dict[str, "Order"]:
        """Return the last order of each task."""
        return {order.task: order for order in self.orders}  # the last one stays


class Letter(Base):
    """A letter: written before its task is sent."""

    __tablename__ = "letter"
    id: Mapped[str] = mapped_column(primary_key=True)
    to: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    photo_id: Mapped[str | None]  # the print of this photo goes with it
    tries: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[float | None]


class Order(Base):
    """An order: written before its task is sent. Its id is the task's id."""

    __tablename__ = "order"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    task: Mapped[str]
    placed_at: Mapped[float] = mapped_column(default=time.time)
    due_at: Mapped[float | None]  # its task begins at this time or later
    cancelled_at: Mapped[float | None]
    photo_id: Mapped[str | None] = mapped_column(ForeignKey("photo.id"))
    photo: Mapped[Photo | None] = relationship(back_populates="orders")
    letter_id: Mapped[str | None] = mapped_column(ForeignKey("letter.id"))
    letter: Mapped[Letter | None] = relationship()
