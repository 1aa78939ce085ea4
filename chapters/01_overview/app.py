"""Flask takes the requests. Slow work goes into a queue, under the name of a task."""

import os
from functools import partial
from uuid import UUID, uuid4

from celery import Celery
from flask import Flask, abort, render_template, request, send_from_directory, url_for
from flask.typing import ResponseReturnValue

from support import counter, darkroom, problems, shelf

app = Flask(__name__)
problems.init_app(app)

celery = Celery(
    "lab",
    broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "redis://localhost:6379/1"),
)
celery.conf.update(problems.FAIL_FAST)  # a visitor would rather be told than wait


@app.get("/")
def index() -> str:
    """Show the page."""
    return render_template("index.html")


@app.get("/heartbeat")
def heartbeat() -> ResponseReturnValue:
    """Answer at once: this is another visitor, who wants nothing slow."""
    return "", 204


@app.post("/blocking")
def blocking() -> ResponseReturnValue:
    """Develop the photo inside the request, while the visitor waits."""
    photo_id = counter.take_in(request, shelf.LAB / "photos")
    darkroom.develop(shelf.photo(photo_id), shelf.prints(photo_id))
    return send_from_directory(shelf.prints(photo_id), "large.jpg")


@app.post("/background")
def background() -> ResponseReturnValue:
    """Take the photo in, and leave the developing to a worker."""
    photo_id = counter.take_in(request, shelf.LAB / "photos")
    return order("tasks.develop", [photo_id], task_id=photo_id)


@app.post("/my-task")
def my_task() -> ResponseReturnValue:
    """Order the article's task, with two numbers from the form."""
    args = [counter.number(request, "arg1"), counter.number(request, "arg2")]
    return order("tasks.my_task", args, task_id=str(uuid4()))


def order(name: str, args: list[str] | list[float], task_id: str) -> ResponseReturnValue:
    """Write the order down, send the task by its name, and answer 202."""
    shelf.write_order(task_id, name)
    with problems.if_not_sent(task_id, forget=partial(shelf.discard, task_id)):
        celery.send_task(name, args=args, task_id=task_id, expires=shelf.KEPT_SECONDS)
    location = url_for("status", task_id=task_id)
    return {"id": task_id, "status": location}, 202, {"Location": location}


@app.get("/tasks/<uuid:task_id>")
def status(task_id: UUID) -> ResponseReturnValue:
    """Say how an order stands: we know the order, Celery knows its state."""
    found = shelf.find_order(str(task_id)) or abort(404, "No order with this id was ever taken.")
    result = celery.AsyncResult(found.id)
    if result.state == "PENDING" and found.age > shelf.KEPT_SECONDS and not found.print_url():
        abort(410, "The result of this order has expired. Order it again.")
    return counter.receipt(result, found.task, found.print_url)


@app.get("/prints/<uuid:photo_id>/<any(small, medium, large):size>.jpg")
def prints(photo_id: UUID, size: str) -> ResponseReturnValue:
    """Hand out a print."""
    return send_from_directory(shelf.prints(str(photo_id)), f"{size}.jpg")
