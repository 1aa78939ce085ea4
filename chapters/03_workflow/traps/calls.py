"""Three arguments for my_task, which takes two. Who notices, and where?"""

from collections.abc import Callable
from typing import Any

from celery.result import AsyncResult

from lab import create_app
from lab.tasks import my_task

celery_app = create_app().extensions["celery"]

CALLS: dict[str, Callable[[], Any]] = {
    "delay(1, 2, 3)": lambda: my_task.delay(1, 2, 3),  # type: ignore[call-arg]  # mypy sees it, too
    "apply_async(args=(1, 2, 3))": lambda: my_task.apply_async(args=(1, 2, 3)),
    "s(1, 2, 3)": lambda: my_task.s(1, 2, 3),
    "s(1, 2, 3).apply_async()": lambda: my_task.s(1, 2, 3).apply_async(),
    "send_task(..., args=(1, 2, 3))": lambda: celery_app.send_task("tasks.my_task", (1, 2, 3)),
}

for words, call in CALLS.items():
    try:
        found = call()
    except TypeError as error:
        print(f"{words:31} here: TypeError: {error}")
    else:
        if isinstance(found, AsyncResult):
            print(f"{words:31} at the worker: {found.get(propagate=False)!r}")
        else:
            print(f"{words:31} nobody yet: {found!r}")
