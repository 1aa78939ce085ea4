"""The database."""

from pathlib import Path

from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from support import sqlite


class Base(DeclarativeBase):
    """The base of all models."""


# After a commit, rows keep what they had: reading an id asks the database for nothing.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


def create_tables() -> None:
    """Create the folder and the tables that are missing."""
    Path(current_app.config["DIR"]).mkdir(parents=True, exist_ok=True)
    sqlite.use_wal(db.engine)
    db.create_all()
