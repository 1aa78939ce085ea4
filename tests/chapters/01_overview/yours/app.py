from uuid import UUID

from celery import Celery
from flask import Flask, request, url_for
from flask.typing import ResponseReturnValue

app = Flask(__name__)
celery = Celery(broker="redis://localhost:6379/0", backend="redis://localhost:6379/1")
celery.conf.task_default_queue = "words"  # where the worker looks


@app.post("/texts")
def send_text() -> ResponseReturnValue:
    result = celery.send_task("tasks.count_words", args=[request.form["text"]])
    location = url_for("get_status", task_id=result.id)
    return {"id": result.id, "status": location}, 202, {"Location": location}


@app.get("/texts/<uuid:task_id>")
def get_status(task_id: UUID) -> ResponseReturnValue:
    result = celery.AsyncResult(str(task_id))
    number = result.result if result.successful() else None
    return {"state": result.state, "words": number}
