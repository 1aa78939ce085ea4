"""The rows. Times are seconds since 1970, UTC. Pixels are files, which a row can find."""

import time
from pathlib import Path
from uuid import uuid4

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lab.db import Base, folder


def new_id() -> str:
    """Return an id that nobody can guess."""
    return str(uuid4())


class Photo(Base):
    """A photo that somebody has brought, by itself or for an album."""

    __tablename__ = "photo"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]  # what its owner calls it: to show, never to open
    taken_in: Mapped[float] = mapped_column(default=time.time)
    seconds: Mapped[float | None]  # of work, once it is developed
    developed: Mapped[float | None]  # when that was, last
    published: Mapped[float | None]  # since when it is in the window
    album_id: Mapped[str | None] = mapped_column(ForeignKey("album.id"))
    orders: Mapped[list["Order"]] = relationship(
        back_populates="photo", order_by="Order.placed", cascade="all, delete-orphan"
    )

    @property
    def negative(self) -> Path:
        """Return its file."""
        return folder("photos") / self.id

    @property
    def prints(self) -> Path:
        """Return the folder for its prints."""
        return folder("prints") / self.id


class Album(Base):
    """Photos that belong together."""

    __tablename__ = "album"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    email: Mapped[str]  # where its contact sheet goes
    made: Mapped[float] = mapped_column(default=time.time)
    ordered: Mapped[float | None]  # when, last: its orders since then are the ones that count
    trouble: Mapped[str | None]  # why it was not finished
    photos: Mapped[list[Photo]] = relationship(order_by=Photo.taken_in)
    orders: Mapped[list["Order"]] = relationship(back_populates="album", order_by="Order.placed")

    @property
    def folder(self) -> Path:
        """Return the folder for its sheet and its zip file."""
        return folder("albums") / self.id

    def current_orders(self) -> list["Order"]:
        """Return the orders of its latest workflow."""
        return [order for order in self.orders if order.placed == self.ordered]


class Order(Base):
    """An order, as it was written down before its task was sent. Its id is the task's."""

    __tablename__ = "order"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    task: Mapped[str]
    placed: Mapped[float] = mapped_column(default=time.time)
    due: Mapped[float | None]  # not before this time
    taken_back: Mapped[float | None]  # its owner doesn't want it any more
    photo_id: Mapped[str | None] = mapped_column(ForeignKey("photo.id"))
    photo: Mapped[Photo | None] = relationship(back_populates="orders")
    album_id: Mapped[str | None] = mapped_column(ForeignKey("album.id"))
    album: Mapped[Album | None] = relationship(back_populates="orders")
