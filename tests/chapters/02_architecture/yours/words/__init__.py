"""An app of your own: it counts words."""

from copy import deepcopy

from flask import Flask

from words.celery_app import celery_init_app
from words.config import CELERY, WEB
from words.models import db
from words.views import bp


def create_app(process: dict[str, object] = WEB) -> Flask:
    """Make an app."""
    app = Flask(__name__)
    app.config["CELERY"] = deepcopy({**CELERY, **process})
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///words.sqlite"  # yours instead
    app.config.from_prefixed_env("WORDS")
    db.init_app(app)
    celery_init_app(app)
    app.register_blueprint(bp)
    return app
