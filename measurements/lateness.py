"""Send tasks that are due at set times to an idle worker, and see how late each is done."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
from celery import Celery
from celery.result import AsyncResult

from workbench.chapter_run import ChapterRun


def send(celery: Celery, queue: str, due: list[datetime]) -> list[AsyncResult[float]]:
    """Send a task that adds two numbers for each of these times."""
    return [celery.send_task("tasks.my_task", [1, 2], eta=eta, queue=queue) for eta in due]


def milliseconds_late(result: AsyncResult[float], due: datetime) -> float:
    """Return how much later than due a task was done; to add two numbers takes no time."""
    done = datetime.fromisoformat(str(result.date_done))
    return (done.replace(tzinfo=done.tzinfo or UTC) - due) / timedelta(milliseconds=1)


@click.command()
@click.option("--chapter", default="03", show_default=True, help="The chapter whose worker it is.")
@click.option("--queue", default="photos", show_default=True, help="The worker's queue.")
@click.option("--tasks", default=60, show_default=True)
def main(chapter: str, queue: str, tasks: int) -> None:
    """Print how late tasks are done: the earliest, the median and the worst, in milliseconds."""
    with (
        TemporaryDirectory() as folder,
        ChapterRun(chapter, folder=Path(folder), only=["web", "worker"]) as run,
    ):
        celery = Celery(broker=run.broker_url, backend=run.result_backend)
        begin = datetime.now(UTC) + timedelta(seconds=3)
        due = [begin + timedelta(seconds=0.27 * number) for number in range(tasks)]
        results = send(celery, queue, due)
        for result in results:
            result.get(timeout=60)
        late = [milliseconds_late(*pair) for pair in zip(results, due, strict=True)]
    earliest, typical, worst = min(late), median(late), max(late)
    print(f"{tasks} tasks: earliest {earliest:.1f} ms, median {typical:.1f} ms late", end=", ")
    print(f"worst {worst:.1f} ms")


if __name__ == "__main__":
    main()
