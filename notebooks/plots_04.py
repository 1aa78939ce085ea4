"""The drawing of the notebook 04_distributed_workflow, and what it is drawn from."""

import re
from datetime import datetime
from typing import Any, NamedTuple

from celery import Celery
from matplotlib import pyplot as plt
from session import BLUE, ORANGE, YELLOW, until

from workbench.chapter_run import ChapterRun

LOGGED = re.compile(
    r"\[(.+): INFO/ForkPool(.+)\] Task (tasks\.\w+)\[(.+)\] succeeded in ([\d.e-]+)s"
)
STYLES = {  # of a task's bar: its colour and its pattern
    "develop_or_report": (YELLOW, ""),
    "make_contact_sheet": (BLUE, "//"),
    "publish_album": (ORANGE, "xx"),
}


class Work(NamedTuple):
    """A task, as one process of the worker did it; times are seconds since 1970."""

    task: str
    process: str
    begun: float
    done: float


def find_work(lab: ChapterRun, celery_app: Celery, task_ids: set[str]) -> list[Work]:
    """Wait until the worker's log names each of these tasks, and return what it says."""

    def look() -> list[Work]:
        logged = LOGGED.findall("\n".join(lab.log.lines("worker")))
        ours = [line for line in logged if line[3] in task_ids]
        return [read(line) for line in ours] if len(ours) == len(task_ids) else []

    def read(line: tuple[str, ...]) -> Work:
        at, process, name, task_id, took = line
        ended = datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f").timestamp()
        done: Any = celery_app.AsyncResult(task_id).date_done  # when it was stored
        return Work(name.removeprefix("tasks."), process, ended - float(took), done.timestamp())

    return until(look, "all tasks in the worker's log")


def draw_work(works: list[Work]) -> None:
    """Draw which process did what, and when."""
    begun = min(work.begun for work in works)
    _, axes = plt.subplots(figsize=(8, 2.6))
    for work in sorted(works, key=lambda work: work.process):
        color, hatch = STYLES[work.task]
        axes.barh(
            work.process,
            work.done - work.begun,
            left=work.begun - begun,
            height=0.6,
            color=color,
            hatch=hatch,
            edgecolor="black",
            label=work.task,
        )
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(handles.values(), handles.keys(), ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    axes.set(xlabel="seconds since the first photo was begun", ylim=(1.5, -0.5))
    plt.show()
