"""Send five tasks while nobody works, ask for their places, then let a worker work."""

import importlib
from pathlib import Path
from uuid import uuid4

from celery import Celery
from redis import Redis

from workbench.chapter_run import ChapterRun


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Ask for the places of five tasks, before and after."""
    place = importlib.import_module(answer.stem).place
    celery = Celery(broker=chapter_run.broker_url, backend=chapter_run.result_backend)
    results = [
        celery.send_task("tasks.my_task", args=[number, 1]) for number in range(5)
    ]

    places = [place(result.id) for result in results]
    assert places == [1, 2, 3, 4, 5], (
        "Five tasks that were sent one after the other have the places 1, 2, 3, 4, 5. "
        f"place() says {', '.join(map(str, places))}."
    )
    assert place(str(uuid4())) is None, "A task that was never sent has no place: None."

    Redis.from_url(chapter_run.broker_url).brpop(["celery"])  # just what a worker does
    places = [place(result.id) for result in results]
    assert places == [None, 1, 2, 3, 4], (
        "When the first of five is taken, its place is None, and the others move up to 1, 2, 3, 4. "
        f"place() says {', '.join(map(str, places))}."
    )

    chapter_run.start("worker")
    for result in results[1:]:
        result.get(timeout=20)
    places = [place(result.id) for result in results]
    assert places == [None] * 5, (
        "When a worker has done them all, none has a place any more. "
        f"place() says {', '.join(map(str, places))}."
    )
