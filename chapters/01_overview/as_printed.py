"""The article's listing, as printed. Its mistakes are the subject of section 1.3."""

from celery import Celery
from flask import Flask

app = Flask(__name__)
celery = Celery("as_printed", broker="pyamqp://guest@localhost//")


@app.route("/")
def start() -> str:
    """Start a task and say so."""
    celery.send_task("tasks.my_task", args=[arg1, arg2])
    return "Task started"
