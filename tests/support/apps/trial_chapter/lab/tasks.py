"""The tasks of a chapter that the tests have made up."""

from celery import shared_task


@shared_task(name="tasks.add")
def add(one: float, other: float) -> float:
    return one + other


@shared_task(name="tasks.subtract")
def subtract(one: float, other: float) -> float:
    return one - other
