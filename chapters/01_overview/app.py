"""Flask takes the requests. Slow work goes into a queue, under the name of a task."""

import logging
import os
from uuid import UUID, uuid4

from celery import Celery
from flask import (
    Flask,
    Response,
    abort,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from flask.typing import ResponseReturnValue

from support import imaging, problem_details, same_origin, storage, uploads
from support.fail_fast import FAIL_FAST
from support.sending import (
    SEND_ERRORS,
    broker_unavailable,
    connect,
    surely_not_sent,
)
from support.status import Status, status_answer

RESULT_EXPIRES = 24 * 60 * 60  # seconds; an order may wait as long

# Else waitress warns of each request that waits for its thread, many times a second.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)

app = Flask(__name__)
problem_details.init_app(app)
same_origin.init_app(app)

celery = Celery(
    "lab",
    broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "redis://localhost:6379/1"),
)
celery.conf.update(FAIL_FAST)  # a visitor would rather be told than wait


@app.get("/")
def index() -> str:
    """Show the page."""
    return render_template("index.html")


@app.get("/heartbeat")
def heartbeat() -> ResponseReturnValue:
    """Answer at once: this is another visitor, who wants nothing slow."""
    return "", 204


@app.post("/blocking")
def blocking() -> Response:
    """Develop the photo inside the request, while the visitor waits."""
    photo_id = uploads.save_photo(request, storage.PHOTOS)
    prints = storage.prints_folder(photo_id)
    imaging.develop(storage.photo_path(photo_id), prints)
    return send_from_directory(prints, "large.jpg")


@app.post("/background")
def background() -> ResponseReturnValue:
    """Save the photo, and leave the developing to a worker."""
    photo_id = uploads.save_photo(request, storage.PHOTOS)
    return place_order("tasks.develop", [photo_id], task_id=photo_id)


@app.post("/my-task")
def my_task() -> ResponseReturnValue:
    """Order the article's task, with two numbers from the form."""
    arg1 = uploads.form_number(request, "arg1")
    arg2 = uploads.form_number(request, "arg2")
    return place_order("tasks.my_task", [arg1, arg2], task_id=str(uuid4()))


def place_order(
    name: str, args: list[str] | list[float], task_id: str
) -> ResponseReturnValue:
    """Write the order down, send the task by its name, and answer 202."""
    storage.save_order(task_id, name)
    try:
        connect(celery)  # what fails here was surely not sent
        celery.send_task(name, args=args, task_id=task_id, expires=RESULT_EXPIRES)
    except SEND_ERRORS as error:
        if surely_not_sent(error):
            storage.forget_order(task_id)
        raise broker_unavailable(task_id, error) from error
    location = url_for("get_status", task_id=task_id)
    return {"id": task_id, "status": location}, 202, {"Location": location}


@app.get("/tasks/<uuid:task_id>")
def get_status(task_id: UUID) -> Status:
    """Say how an order is doing: we know the order, Celery knows its state."""
    order = storage.find_order(str(task_id))
    if order is None:
        abort(404, "There is no order with this id.")
    result = celery.AsyncResult(order.id)
    state = result.state  # before the print: a task stores SUCCESS when that is there
    status = status_answer(order.id, order.task, state, result.result, print_url(order))
    if status["state"] == "PENDING" and order.age > RESULT_EXPIRES:
        abort(410, "The result of this order has expired. Order it again.")
    return status


def print_url(order: storage.Order) -> str | None:
    """Return the address of the print, if it is there."""
    if not storage.is_developed(order.id):
        return None
    return url_for("get_print", photo_id=order.id, size="large")


@app.get("/prints/<uuid:photo_id>/<any(small, medium, large):size>.jpg")
def get_print(photo_id: UUID, size: str) -> Response:
    """Send a print."""
    return send_from_directory(storage.prints_folder(str(photo_id)), f"{size}.jpg")
