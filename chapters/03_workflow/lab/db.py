"""The database, and the folder beside it."""

from pathlib import Path

from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """What all rows have in common."""


db = SQLAlchemy(model_class=Base)


def folder(name: str) -> Path:
    """Return a folder of the app that is at work."""
    return Path(current_app.config["DIR"]) / name


def create_tables() -> None:
    """Create the tables that are missing."""
    folder("").mkdir(parents=True, exist_ok=True)
    db.create_all()
