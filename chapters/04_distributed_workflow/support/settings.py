"""The settings of an app, layer by layer."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from flask import Flask

Settings = Mapping[str, Any]


def configure(app: Flask, celery: Settings, config: Settings) -> None:
    """Fill app.config; each layer wins over those before it.

    The settings of Celery, then the environment (LAB_...), then `config`.
    """
    app.config["DIR"] = Path(app.root_path).parent / "var"  # files and database
    app.config["CELERY"] = deepcopy({**celery})
    app.config.from_prefixed_env("LAB")  # LAB_DIR, LAB_CELERY__task_default_queue, ...
    celery_settings = {**app.config["CELERY"], **config.get("CELERY", {})}
    app.config.update(config)
    app.config["CELERY"] = celery_settings
    database = Path(app.config["DIR"]).absolute() / "lab.sqlite"
    app.config.setdefault("SQLALCHEMY_DATABASE_URI", f"sqlite:///{database}")
