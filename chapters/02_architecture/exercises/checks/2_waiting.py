"""Send messages that no worker takes, through two brokers, and have them counted."""

import importlib
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery

from lab import create_app
from workbench.chapter_run import ChapterRun


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Count in a queue on Redis, then in another in the file system."""
    waiting = importlib.import_module(answer.stem).waiting
    redis = create_app({"CELERY": {"task_default_queue": "develop"}})
    count("Redis", redis.extensions["celery"], waiting, answer)

    os.environ["CELERY_BROKER_URL"] = "filesystem://"  # it wins over the app's settings
    messages = chapter_run.folder / "messages"
    messages.mkdir()
    options: dict[str, Any] = {"data_folder_in": messages, "data_folder_out": messages}
    options["control_folder"] = chapter_run.folder / "control"
    settings = {"task_default_queue": "orders", "broker_transport_options": options}
    files = create_app({"CELERY": settings})
    count("filesystem://", files.extensions["celery"], waiting, answer)


def count(
    broker: str, app: Celery, waiting: Callable[[Celery], int], answer: Path
) -> None:
    """Send three messages, and take them one by one."""
    queue = app.conf.task_default_queue

    def expect(moment: str, number: int) -> None:
        try:
            said = waiting(app)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in frames if Path(frame.filename) == answer]
            where = f", in line {lines[-1]} of {answer.name}" if lines else ""
            raise AssertionError(
                f"Expected waiting() to return {number} on {broker}, {moment}. "
                f"Yours raises {type(error).__name__}: {str(error).rstrip('.')}{where}."
            ) from error
        assert said == number, (
            f"Expected waiting() to return {number} on {broker}, {moment}. "
            f"Yours returns {said}."
        )

    expect(f"before anything is sent to the queue '{queue}'", 0)
    app.send_task("tasks.my_task", args=[1, 1], queue="celery", ignore_result=True)
    expect(f"when a message is in the queue 'celery', and none in '{queue}'", 0)
    for number in range(3):
        app.send_task("tasks.my_task", args=[number, 1], ignore_result=True)
    expect(f"when 3 messages are in the queue '{queue}'", 3)
    expect("when it is called a second time", 3)
    for left in (2, 1, 0):
        with app.connection_for_read() as connection:
            message = app.amqp.queues[queue](connection.default_channel).get(
                no_ack=True
            )
        assert message, (
            "Expected that waiting() leaves the messages in the queue. "
            f"On {broker} one is missing."
        )
        expect(f"when {left} of 3 messages are left", left)
