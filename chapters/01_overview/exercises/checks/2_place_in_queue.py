"""Send tasks while no worker runs, ask for their places, then let a worker work."""

import importlib
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from celery import Celery
from redis import Redis

from workbench.chapter_run import ChapterRun

Place = Callable[[str], int | None]


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Ask for the places of five tasks, before and after they are taken."""
    place: Place = importlib.import_module(answer.stem).place
    celery = Celery(broker=chapter_run.broker_url, backend=chapter_run.result_backend)
    broker = Redis.from_url(chapter_run.broker_url)
    results = [celery.send_task("tasks.my_task", args=[n, 1]) for n in range(5)]
    ids = [result.id for result in results]

    expect_places(place, ids, [1, 2, 3, 4, 5], "five tasks, in the order of sending")
    never_sent = place(str(uuid4()))
    assert never_sent is None, (
        f"Expected: None for a task that was never sent. place() returns {never_sent}."
    )

    broker.brpop(["celery"])  # just what a worker does
    after = "five tasks, after a worker has taken the first"
    expect_places(place, ids, [None, 1, 2, 3, 4], after)

    later = str(uuid4())
    celery.send_task("tasks.my_task", args=[later, later])
    celery.send_task("tasks.my_task", args=[5, 1], task_id=later)
    found = place(later)
    assert found == 6, (
        "Expected: 6, for a task whose id is also an argument of the task before it. "
        f"place() returns {found}. Compare the id alone, not the text of the message."
    )

    chapter_run.start("worker")
    for result in [*results[1:], celery.AsyncResult(later)]:
        result.get(timeout=20)
    expect_places(place, ids, [None] * 5, "five tasks, after a worker has done them")


def expect_places(
    place: Place, ids: list[str], expected: list[int | None], what: str
) -> None:
    """Expect the places of some tasks."""
    found = [place(task_id) for task_id in ids]
    assert found == expected, (
        f"Expected: {words(expected)} for {what}. place() returns {words(found)}."
    )


def words(places: list[int | None]) -> str:
    """Return places as words."""
    return ", ".join(map(str, places))
