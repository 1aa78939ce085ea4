"""Send tasks that are due at set times to an idle worker, and see how late each is done.

Run it from the repository's top folder:
`PYTHONPATH=. python tests/chapters/03_workflow/lateness.py`. It takes half a minute.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from celery import Celery

from workbench.chapter_run import ChapterRun

TASKS = 60


def main() -> None:
    """Print the median and the worst, in milliseconds; a task that adds two numbers is no time."""
    with (
        TemporaryDirectory() as folder,
        ChapterRun("03", folder=Path(folder), only=["web", "worker"]) as chapter_run,
    ):
        celery = Celery(broker=chapter_run.broker_url, backend=chapter_run.result_backend)
        begin = datetime.now(UTC) + timedelta(seconds=3)
        due = [begin + timedelta(seconds=0.27 * number) for number in range(TASKS)]
        sent = [celery.send_task("tasks.my_task", [1, 2], eta=eta, queue="lab") for eta in due]
        for result in sent:
            result.get(timeout=60)
        done = [datetime.fromisoformat(str(result.date_done)) for result in sent]
    late = [
        (end.replace(tzinfo=end.tzinfo or UTC) - eta) / timedelta(milliseconds=1)
        for end, eta in zip(done, due, strict=True)
    ]
    print(
        f"{TASKS} tasks: earliest {min(late):.1f} ms, median {median(late):.1f} ms late,", end=" "
    )
    print(f"worst {max(late):.1f} ms")


if __name__ == "__main__":
    main()
