"""Photos and orders are rows. A photo's pixels are files, which its row knows where to find."""

import time
from pathlib import Path
from uuid import uuid4

from flask import current_app, url_for
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """What all rows have in common."""


db = SQLAlchemy(model_class=Base)


class Photo(Base):
    """A photo that somebody has brought."""

    __tablename__ = "photo"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]  # what its owner calls it: to show, never to open
    taken_in: Mapped[float] = mapped_column(default=time.time)  # seconds since 1970, UTC
    seconds: Mapped[float | None]  # of work, once it is developed
    developed: Mapped[float | None]  # when that was, last
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


class Order(Base):
    """An order, as it was written down before its task was sent. Its id is the task's."""

    __tablename__ = "order"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: str(uuid4()))
    task: Mapped[str]
    placed: Mapped[float] = mapped_column(default=time.time)
    photo_id: Mapped[str | None] = mapped_column(ForeignKey("photo.id"))
    photo: Mapped[Photo | None] = relationship(back_populates="orders")

    def print_url(self) -> str | None:
        """Return the address of its print, if there by now: the row may have changed, so ask."""
        developed = db.session.scalar(db.select(Photo.developed).filter_by(id=self.photo_id))
        ready = (developed or 0) > self.placed  # not the print of an order before
        return url_for(".prints", photo_id=self.photo_id, size="large") if ready else None

    def take_back(self) -> None:
        """Forget it, since it was never sent; and its photo, if nothing else was ordered of it."""
        photo = self.photo
        if photo and photo.orders == [self]:
            photo.negative.unlink()
            db.session.delete(photo)
        db.session.delete(self)
        db.session.commit()


def folder(name: str) -> Path:
    """Return a folder of the app that is at work."""
    return Path(current_app.config["DIR"]) / name


def create_tables() -> None:
    """Create the tables that are missing."""
    folder("").mkdir(parents=True, exist_ok=True)
    db.create_all()
