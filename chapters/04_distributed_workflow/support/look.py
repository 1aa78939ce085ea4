"""Look at what is in the broker and in the result backend, as they keep it."""

import base64
import json
from typing import Any

import click
from redis import Redis
from sqlalchemy import create_engine, text

from lab import create_app

celery_app = create_app().extensions["celery"]

ROW = text(
    "SELECT task_id, status, result, date_done FROM celery_taskmeta WHERE task_id = :id"
)


@click.group()
def look() -> None:
    """Look without changing anything."""


@look.command()
def queue() -> None:
    """Show the messages that wait in Redis, the next one first."""
    name = celery_app.conf.task_default_queue
    messages = connect(celery_app.conf.broker_url).lrange(name, 0, -1)
    click.echo(f"In the list '{name}': {len(messages)}")
    for message in reversed(messages):  # they come in on the left, go out on the right
        show(decode(message))


@look.command()
@click.argument("task_id")
def result(task_id: str) -> None:
    """Show what is stored about a task."""
    url = celery_app.conf.result_backend
    if url.startswith("db+"):
        found = in_database(url, task_id)
    else:
        found = in_redis(url, task_id)
    if not found:
        raise click.ClickException(f"Nothing is stored about the task {task_id}.")
    show(found)


def decode(message: str) -> dict[str, Any]:
    """Return a message with its body decoded: that is JSON, in base64."""
    found: dict[str, Any] = json.loads(message)
    found["body"] = json.loads(base64.b64decode(found["body"]))
    return found


def in_redis(url: str, task_id: str) -> dict[str, Any]:
    """Return what is stored in Redis, under a key that expires."""
    key = f"celery-task-meta-{task_id}"
    redis = connect(url)
    stored = redis.get(key)
    if stored is None:
        return {}
    found: dict[str, Any] = json.loads(stored)
    return {"key": key, "expires in (seconds)": redis.ttl(key)} | found


def in_database(url: str, task_id: str) -> dict[str, Any]:
    """Return what is stored in a database, in a row that stays."""
    with create_engine(url.removeprefix("db+")).connect() as connection:
        row = connection.execute(ROW, {"id": task_id}).mappings().first()
    if row is None:
        return {}
    return dict(row) | {"result": json.loads(row["result"])}


def connect(url: str) -> Any:
    """Connect to a Redis."""
    if not url.startswith("redis:"):
        kind = url.partition(":")[0]
        raise click.ClickException(f"This command reads Redis only, not {kind}.")
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
