"""The photo lab as a package: `create_app` makes an app, each time you call it."""

from flask import Flask

from lab.celery_app import celery_init_app
from lab.config import WEB, Settings, configure
from lab.db import create_tables, db
from lab.views import bp
from support import database_errors, diary, mail_page, problem_details, same_origin


def create_app(config: Settings | None = None, process: Settings = WEB) -> Flask:
    """Make an app. It connects to nothing before it is asked for something."""
    app = Flask(__name__)
    configure(app, process, config or {})
    problem_details.init_app(app)
    database_errors.init_app(app)
    same_origin.init_app(app)
    db.init_app(app)
    celery_init_app(app)
    app.cli.command("init-db")(create_tables)
    app.register_blueprint(bp)
    app.register_blueprint(diary.bp)
    app.register_blueprint(mail_page.bp)
    return app
