"""The photo lab as a package: `create_app` makes an app, and another one if you call it again."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy.exc import DBAPIError

from lab.celery_app import DEFAULTS, celery_init_app
from lab.db import create_tables, db
from lab.views import albums, beside, photos
from support import databases, problems


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make an app of its own. It connects to nothing before somebody asks it for something.

    Its settings: what stands here, then the environment (LAB_...), then `config`.
    """
    app = Flask(__name__)
    app.config["DIR"] = Path(app.root_path).parent / "var"  # photos, prints, the database
    app.config["SMTP_PORT"] = 8025  # of the mail server, on this machine
    app.config["OWNER"] = "owner@photo-lab.example"  # who gets the report
    app.config["CELERY"] = deepcopy(DEFAULTS)  # two apps must not share it
    app.config.from_prefixed_env("LAB")  # LAB_DIR, or LAB_CELERY__task_default_queue
    given = dict(config or {})
    app.config["CELERY"].update(given.pop("CELERY", {}))
    app.config.update(given)
    database = Path(app.config["DIR"]).absolute() / "lab.sqlite"
    app.config.setdefault("SQLALCHEMY_DATABASE_URI", f"sqlite:///{database}")

    problems.init_app(app)
    app.register_error_handler(DBAPIError, databases.away)
    db.init_app(app)
    app.cli.command("init-db")(create_tables)
    celery_init_app(app)
    for blueprint in (photos.lab, albums.lab, beside.lab):
        app.register_blueprint(blueprint)
    return app
