"""Show the tasks that workers hold until their time comes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from lab import create_app

celery_app = create_app().extensions["celery"]


@click.command()
def scheduled() -> None:
    """Print a line for each task that a worker holds, the next one first."""
    inspect = celery_app.control.inspect(timeout=1)
    workers = inspect.scheduled()
    if not workers:
        raise click.ClickException("No worker answers: start one.")
    revoked = inspect.revoked() or {}
    for worker, tasks in workers.items():
        click.echo(f"Held by the worker: {len(tasks)}")
        for task in sorted(tasks, key=eta):
            click.echo(describe(task, task["request"]["id"] in revoked.get(worker, [])))


def eta(task: dict[str, Any]) -> datetime:
    """Return when a task begins."""
    return datetime.fromisoformat(task["eta"])


def describe(task: dict[str, Any], is_revoked: bool) -> str:
    """Return a held task in words."""
    hours = (eta(task) - datetime.now(UTC)) / timedelta(hours=1)
    happens = "is dropped, since it is revoked," if is_revoked else "begins"
    return f"{task['request']['name']} {happens} in {hours:.1f} hours"


if __name__ == "__main__":
    scheduled()
