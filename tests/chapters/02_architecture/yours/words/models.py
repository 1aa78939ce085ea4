"""The rows."""

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The base of all models."""


db = SQLAlchemy(model_class=Base)


class Text(Base):
    """A text, and its number of words once a worker has counted them."""

    __tablename__ = "text"
    id: Mapped[str] = mapped_column(primary_key=True)  # the task's id, too
    body: Mapped[str]
    words: Mapped[int | None]
