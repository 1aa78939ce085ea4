"""The folder and the tables of an app."""

from pathlib import Path

from flask import current_app

from support import sqlite


def create_tables() -> None:
    """Create the folder and the tables that are missing."""
    Path(current_app.config["DIR"]).mkdir(parents=True, exist_ok=True)
    db = current_app.extensions["sqlalchemy"]
    sqlite.use_wal(db.engine)
    db.create_all()
