"""Two photo labs in one program, each with its own folder, database and queue."""

import os
from pathlib import Path

from flask import Flask

from lab import create_app

FOLDER = Path(os.environ["LAB_DIR"]).parent


def open_lab(name: str) -> Flask:
    """Make one of them."""
    return create_app({"DIR": FOLDER / name, "CELERY": {"task_default_queue": name}})


harbour, hill = open_lab("harbour"), open_lab("hill")
harbour_celery, hill_celery = harbour.extensions["celery"], hill.extensions["celery"]
