"""Send a task by its name, and print the events and the states until its end."""

import json
from itertools import groupby
from typing import Any

import click

from lab import create_app
from support.event_listener import EventListener, watch_task

celery_app = create_app({"CELERY": {"task_send_sent_event": True}}).extensions["celery"]


@click.command()
@click.argument("name")
@click.argument("args", nargs=-1)
@click.option("--countdown", type=float, help="Seconds until it may begin.")
@click.option("--expires", type=float, help="Seconds until it is too late to begin.")
def watch(name: str, args: tuple[str, ...], **options: float | None) -> None:
    """Send the task NAME with ARGS (JSON, or else text) and watch it until its end."""
    if not celery_app.conf.result_backend.startswith("redis"):
        raise click.ClickException("This command needs Redis as the result backend.")
    with EventListener(celery_app) as listener:
        if not celery_app.control.enable_events(reply=True):  # workers are silent else
            raise click.ClickException("No worker answers: start one.")
        values = [value(text) for text in args]
        watched = watch_task(listener, celery_app, name, values, **options)
    click.echo(f"id: {watched.id}")
    click.echo(f"events: {counted(watched.events)}")
    click.echo(f"stored: {counted(watched.stored)}")
    click.echo(f"result: {watched.result!r}")


def value(text: str) -> Any:
    """Read an argument as JSON, or else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def counted(words: list[str]) -> str:
    """Return words in their order, with numbers for repetitions."""
    runs = [(word, len(list(run))) for word, run in groupby(words)]
    return ", ".join(
        word if number == 1 else f"{word} ({number} times)" for word, number in runs
    )


if __name__ == "__main__":
    watch()
