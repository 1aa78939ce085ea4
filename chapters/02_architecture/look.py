"""Look at what lies in Redis: the messages that wait, and the result of a task."""

import base64
import json
from typing import Any

import click
from redis import Redis

from lab import create_app

celery_app = create_app().extensions["celery"]


@click.group()
def look() -> None:
    """Look into the broker and the result backend, without changing anything."""


@look.command()
def queue() -> None:
    """Show the messages that wait, the next one first."""
    name = celery_app.conf.task_default_queue
    messages = connect(celery_app.conf.broker_url).lrange(name, 0, -1)
    click.echo(f"In the list '{name}': {len(messages)}")
    for message in map(json.loads, reversed(messages)):  # sent on the left, taken on the right
        message["body"] = json.loads(base64.b64decode(message["body"]))
        show(message)


@look.command()
@click.argument("task_id")
def result(task_id: str) -> None:
    """Show what is stored about a task."""
    redis = connect(celery_app.conf.result_backend)
    key = f"celery-task-meta-{task_id}"
    stored = redis.get(key)
    if stored is None:
        raise click.ClickException(f"Nothing is stored under {key}: it waits, or has expired.")
    click.echo(f"{key}, forgotten in {redis.ttl(key) / 3600:.1f} hours")
    show(json.loads(stored))


def connect(url: str) -> Any:
    """Connect to a Redis."""
    if not url.startswith("redis"):
        raise click.ClickException(f"This looks into Redis only, and here is {url.split(':')[0]}.")
    return Redis.from_url(url, decode_responses=True)


def show(found: dict[str, Any], indent: str = "") -> None:
    """Print names and values, a line each."""
    for name, value in found.items():
        if isinstance(value, dict) and value:
            click.echo(f"{indent}{name}:")
            show(value, indent + "  ")
        else:
            click.echo(f"{indent}{name}: {json.dumps(value)}")


if __name__ == "__main__":
    look()
