"""Look at what lies in the broker and in the result backend, as they keep it."""

import base64
import json
from typing import Any

import click
from redis import Redis
from sqlalchemy import create_engine, text

from lab import create_app

celery_app = create_app().extensions["celery"]


@click.group()
def look() -> None:
    """Look without changing anything."""


@look.command()
def queue() -> None:
    """Show the messages that wait in Redis, the next one first."""
    name, url = celery_app.conf.task_default_queue, celery_app.conf.broker_url
    if not url.startswith("redis:"):
        raise click.ClickException(f"This reads Redis only, and the broker is {url.split(':')[0]}.")
    messages = connect(url).lrange(name, 0, -1)
    click.echo(f"In the list '{name}': {len(messages)}")
    for message in map(json.loads, reversed(messages)):  # sent on the left, taken on the right
        message["body"] = json.loads(base64.b64decode(message["body"]))
        show(message)


@look.command()
@click.argument("task_id")
def result(task_id: str) -> None:
    """Show what is stored about a task."""
    url = celery_app.conf.result_backend
    found = in_database(url, task_id) if url.startswith("db+") else in_redis(url, task_id)
    if not found:
        raise click.ClickException(f"Nothing is stored about {task_id}: it waits, or has expired.")
    show(found)


def in_redis(url: str, task_id: str) -> dict[str, Any]:
    """Return what is stored in Redis, under a key that goes away by itself."""
    key = f"celery-task-meta-{task_id}"
    stored, hours = connect(url).get(key), connect(url).ttl(key) / 3600
    return {"key": key, "hours left": round(hours, 1)} | json.loads(stored) if stored else {}


def in_database(url: str, task_id: str) -> dict[str, Any]:
    """Return what is stored in a database, in a row that stays."""
    wanted = "SELECT task_id, status, result, date_done FROM celery_taskmeta WHERE task_id = :id"
    with create_engine(url.removeprefix("db+")).connect() as connection:
        row = connection.execute(text(wanted), {"id": task_id}).mappings().first()
    return dict(row) | {"result": json.loads(row["result"])} if row else {}


def connect(url: str) -> Any:
    """Connect to a Redis."""
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
