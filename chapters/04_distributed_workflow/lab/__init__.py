"""The photo lab as a package: `create_app` makes an app, each time you call it."""

from flask import Flask

from lab.celery_app import celery_init_app
from lab.config import DEFAULTS, WEB
from lab.db import db
from lab.views import bp
from support import database_errors, problem_details, same_origin
from support.settings import Settings, configure
from support.tables import create_tables


def create_app(config: Settings | None = None, process: Settings = WEB) -> Flask:
    """Make an app. It connects to nothing before it is asked for something."""
    app = Flask(__name__)
    configure(app, {**DEFAULTS, **process}, config or {})
    problem_details.init_app(app)
    database_errors.init_app(app)
    same_origin.init_app(app)
    db.init_app(app)
    celery_init_app(app)
    app.cli.command("init-db")(create_tables)
    app.register_blueprint(bp)
    return app
