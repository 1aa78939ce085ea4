"""The rows. Times are seconds since 1970, UTC."""

import time
from uuid import uuid4

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lab.db import Base


def new_id() -> str:
    """Return an id that nobody can guess."""
    return str(uuid4())


class Photo(Base):
    """A photo of an album. Its pixels and its prints are files: see storage.py."""

    __tablename__ = "photo"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]  # as its owner calls it: to show, never to open
    uploaded_at: Mapped[float] = mapped_column(default=time.time)
    album_id: Mapped[str] = mapped_column(ForeignKey("album.id"))


class Album(Base):
    """Photos that are developed, laid out on a contact sheet and published together."""

    __tablename__ = "album"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    created_at: Mapped[float] = mapped_column(default=time.time)
    published_at: Mapped[float | None]  # the last time
    failed_at: Mapped[float | None]  # the last time
    error: Mapped[dict[str, str] | None] = mapped_column(JSON)  # of that time
    photos: Mapped[list[Photo]] = relationship(order_by=Photo.uploaded_at)
    orders: Mapped[list["Order"]] = relationship(
        back_populates="album", order_by="Order.placed_at, Order.position"
    )


class Order(Base):
    """An order: written before its task is sent. Its id is the task's id."""

    __tablename__ = "order"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    task: Mapped[str]
    placed_at: Mapped[float] = mapped_column(default=time.time)
    cancelled_at: Mapped[float | None]
    photo_id: Mapped[str | None] = mapped_column(ForeignKey("photo.id"))
    album_id: Mapped[str] = mapped_column(ForeignKey("album.id"))
    album: Mapped[Album] = relationship(back_populates="orders")
    workflow_id: Mapped[str | None]  # the same for all orders of one workflow
    position: Mapped[int] = mapped_column(default=0)  # in its workflow
