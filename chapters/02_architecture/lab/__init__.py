"""The photo lab as a package: `create_app` makes an app, and another one if you call it again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy.exc import DBAPIError

from lab import models
from lab.celery_app import DEFAULTS, celery_init_app
from lab.views import lab
from support import databases, problems


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make an app of its own. It connects to nothing before somebody asks it for something.

    Its settings: what stands here, then the environment (LAB_...), then `config`.
    """
    app = Flask(__name__)
    app.config["DIR"] = Path(app.root_path).parent / "var"  # photos, prints, the database
    app.config["CELERY"] = dict(DEFAULTS)  # a copy: two apps must not share it
    app.config.from_prefixed_env("LAB")  # LAB_DIR, or LAB_CELERY__task_default_queue
    given = dict(config or {})
    app.config["CELERY"].update(given.pop("CELERY", {}))
    app.config.update(given)
    database = Path(app.config["DIR"]).absolute() / "lab.sqlite"
    app.config.setdefault("SQLALCHEMY_DATABASE_URI", f"sqlite:///{database}")

    problems.init_app(app)
    app.register_error_handler(DBAPIError, databases.away)
    models.db.init_app(app)
    app.cli.command("init-db")(models.create_tables)
    celery_init_app(app)
    app.register_blueprint(lab)
    return app
