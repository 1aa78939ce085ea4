"""Ask two apps of one program for their statistics, through a worker of each."""

import re
import shlex
from pathlib import Path

from celery import Celery
from celery.exceptions import TimeoutError
from flask import Flask

from exercises.checks import two_labs
from lab import create_app
from lab.db import db
from lab.models import Photo
from workbench.chapter_run import ChapterRun

NAME = "tasks.statistics"
# Of each photo in a lab, the seconds; None isn't developed yet.
SECONDS: dict[str, list[float | None]] = {
    "harbour": [0.5, None, 0.25],
    "hill": [None],
    "settings": [1.0] * 5,  # what create_app() without settings finds
}


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Ask the harbour, then the hill."""
    harbour, hill = two_labs.harbour, two_labs.hill
    for name, app in {
        "harbour": harbour,
        "hill": hill,
        "settings": create_app(),
    }.items():
        fill(app, SECONDS[name])
        if name != "settings":
            chapter_run.add(f"{name} worker", worker(name, answer))
            chapter_run.services[f"{name} worker"].launch()
    for name, app in {"harbour": harbour, "hill": hill}.items():
        chapter_run.services[f"{name} worker"].wait()
        ask(name, app.extensions["celery"], answer)


def fill(app: Flask, seconds: list[float | None]) -> None:
    """Give an app its rows."""
    app.test_cli_runner().invoke(args=["init-db"])
    with app.app_context():
        db.session.add_all(
            Photo(id=str(number), name="photo", seconds=of_work)
            for number, of_work in enumerate(seconds)
        )
        db.session.commit()


def worker(name: str, answer: Path) -> str:
    """Return the command that starts a worker of one app, with the answer's tasks."""
    return (
        f"PYTHONPATH={shlex.quote(str(answer.parent))} "
        f"celery -A exercises.checks.two_labs:{name}_celery worker "
        f"--include {answer.stem} "
        f"--hostname {name}@labs --concurrency 1 --without-mingle --without-gossip"
    )


def ask(name: str, celery: Celery, answer: Path) -> None:
    """Ask for the statistics of one app."""
    result = celery.send_task(NAME)
    try:
        returned = result.get(timeout=10, propagate=False)
    except TimeoutError:
        raise AssertionError(
            "Expected an end of the task within 10 seconds. There was none."
        ) from None

    error = type(returned).__name__
    assert error != "NotRegistered", (
        f"Expected that a worker that imports your file knows the task {NAME}, in "
        f"each app. The worker of the {name} knows only: {', '.join(known(celery))}."
    )
    place = re.findall(rf'{answer.name}", line (\d+)', str(result.traceback))
    where = f", in line {place[-1]} of {answer.name}" if place else ""
    said = str(returned).partition("\n")[0].rstrip(".")
    assert result.successful(), (
        f"Expected no error. Yours ends with {error}: {said}{where}."
    )

    assert returned != figures("settings"), (
        f"Expected {figures(name)} for the {name}. Yours returned {returned}. "
        "That is from another database: your task made an app, without the settings "
        "of this one."
    )
    assert returned == figures(name), (
        f"Expected {figures(name)} for the {name}. Yours returned {returned}."
    )


def figures(name: str) -> dict[str, float]:
    """Return the right answer."""
    developed = [seconds for seconds in SECONDS[name] if seconds is not None]
    photos = len(SECONDS[name])
    return {"photos": photos, "developed": len(developed), "seconds": sum(developed)}


def known(celery: Celery) -> list[str]:
    """Return the names that a worker knows, apart from Celery's own."""
    workers = celery.control.inspect(timeout=5, limit=1).registered() or {}
    names = {name for names in workers.values() for name in names}
    return sorted(name for name in names if not name.startswith("celery."))
