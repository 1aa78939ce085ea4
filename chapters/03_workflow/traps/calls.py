"""A trap: three arguments for my_task, which takes two. Who notices, and where?"""

from collections.abc import Callable
from typing import Any

from celery.result import AsyncResult

from lab import create_app
from lab.tasks import my_task

celery_app = create_app().extensions["celery"]

CALLS: dict[str, Callable[[], Any]] = {
    "delay(1, 2, 3)": lambda: my_task.delay(1, 2, 3),  # type: ignore[call-arg]
    "apply_async((1, 2, 3))": lambda: my_task.apply_async((1, 2, 3)),
    "s(1, 2, 3)": lambda: my_task.s(1, 2, 3),
    "s(1, 2, 3).apply_async()": lambda: my_task.s(1, 2, 3).apply_async(),
    "send_task(name, (1, 2, 3))": lambda: celery_app.send_task(my_task.name, (1, 2, 3)),
}


def outcome(call: Callable[[], Any]) -> str:
    """Make a call, and say who notices the third argument."""
    try:
        found = call()
    except TypeError as error:
        return f"the caller: {error}"
    if isinstance(found, AsyncResult):
        return f"the worker: {found.get(propagate=False)}"
    return f"nobody yet: {found!r}"


for words, call in CALLS.items():
    print(f"{words:26} {outcome(call)}")
