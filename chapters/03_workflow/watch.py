"""Send a task by its name, and watch: events that tell of it, states that are stored of it."""

import json
import threading
from itertools import groupby
from typing import Any

import click
from celery.result import AsyncResult
from celery.states import READY_STATES
from celery.utils import uuid

from lab import create_app

celery_app = create_app({"CELERY": {"task_send_sent_event": True}}).extensions["celery"]
ENDS = ("task-succeeded", "task-failed", "task-revoked")


@click.command()
@click.argument("name")
@click.argument("args", nargs=-1)
@click.option("--countdown", type=float, help="Seconds until it may begin.")
@click.option("--soft-time-limit", type=float, help="Seconds until it is told to stop.")
@click.option("--time-limit", type=float, help="Seconds until its process is killed.")
def watch(name: str, args: tuple[str, ...], **options: float | None) -> None:
    """Send the task NAME with ARGS (JSON, or else text) and watch it until it ends."""
    if not celery_app.conf.result_backend.startswith("redis"):
        raise click.ClickException("Only the backend Redis tells of each state that it stores.")
    events: list[dict[str, Any]] = []
    listening, ended = threading.Event(), threading.Event()
    threading.Thread(target=listen, args=[events, listening, ended], daemon=True).start()
    listening.wait(timeout=5)
    if not celery_app.control.enable_events(reply=True):  # workers are silent unless asked
        raise click.ClickException("No worker answers: start one.")
    result: AsyncResult[Any] = celery_app.AsyncResult(uuid())
    channel = celery_app.backend.client.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(celery_app.backend.get_key_for_task(result.id))  # before anything is stored
    celery_app.send_task(name, [value(text) for text in args], task_id=result.id, **options)
    click.echo(f"id: {result.id}")
    stored: list[str] = []
    while not READY_STATES.intersection(stored):
        if message := channel.get_message(timeout=1):
            stored.append(json.loads(message["data"])["status"])
    while not any(event["uuid"] == result.id and event["type"] in ENDS for event in events):
        if not ended.wait(timeout=2):  # a task that ignores itself ends without an event
            break
        ended.clear()
    told = [event["type"] for event in events if event["uuid"] == result.id]
    told.sort(key="task-sent".__ne__)  # ours: it may come after a quick worker's
    click.echo(f"events: {counted(told)}")
    click.echo(f"stored: {counted(stored)}")
    click.echo(f"result: {result.result!r}")


def listen(
    events: list[dict[str, Any]], listening: threading.Event, ended: threading.Event
) -> None:
    """Collect the events of all tasks."""

    def note(event: dict[str, Any]) -> None:
        if event["type"].startswith("task-"):
            events.append(event)
        if event["type"] in ENDS:
            ended.set()

    with celery_app.connection_for_read() as connection:
        receiver = celery_app.events.Receiver(connection, handlers={"*": note})
        receiver.on_consume_ready = lambda *_args, **_options: listening.set()
        receiver.capture()


def value(text: str) -> Any:
    """Read an argument as JSON, or take it as it stands."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def counted(words: list[str]) -> str:
    """Return words in their order, with numbers for repetitions."""
    runs = [(word, len(list(run))) for word, run in groupby(words)]
    return ", ".join(word if number == 1 else f"{word} ({number} times)" for word, number in runs)


if __name__ == "__main__":
    watch()
