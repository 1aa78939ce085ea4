"""Why the X-ray doesn't keep its tasks in Celery's own State: what xray/README.md says of that."""

from typing import Any

from celery.events.state import State


def tell(state: State, kind: str, task: str, at: float, worker: str = "a", **more: Any) -> None:
    """Have a state take in an event of a task."""
    event: dict[str, Any] = {"type": f"task-{kind}", "uuid": task, "hostname": worker, "clock": at}
    state.event(event | {"timestamp": at, "local_received": at} | more)


def begin(state: State, task: str, at: float, worker: str = "a") -> None:
    """Have a state take in that a task was received, and started a second later."""
    tell(state, "received", task, at, worker, name="tasks.develop")
    tell(state, "started", task, at + 1, worker)


def test_its_limit_drops_a_task_that_runs() -> None:
    state: Any = State(max_tasks_in_memory=3)
    begin(state, "runs", 1)
    for task in ("one", "two", "three"):
        tell(state, "received", task, 3)
    assert list(state.tasks) == ["one", "two", "three"]


def test_of_two_tries_it_keeps_the_last_times_only() -> None:
    state: Any = State()
    begin(state, "again", 1)
    tell(state, "retried", "again", 3)
    begin(state, "again", 4)
    task = state.tasks["again"]
    assert (task.received, task.started) == (4, 5)


def test_a_task_that_has_ended_and_runs_once_more_stays_ended() -> None:
    state: Any = State()
    begin(state, "given back", 1)
    tell(state, "succeeded", "given back", 3)
    begin(state, "given back", 10, worker="b")
    task = state.tasks["given back"]
    assert (task.state, task.started) == ("SUCCESS", 11)


def test_a_task_of_a_worker_that_is_gone_stays_started() -> None:
    state: Any = State()
    begin(state, "runs", 1)
    gone = {"type": "worker-offline", "hostname": "a", "clock": 3}
    state.event(gone | {"timestamp": 3, "local_received": 3})
    task = state.tasks["runs"]
    assert (task.state, task.worker.alive) == ("STARTED", False)


def test_it_has_no_word_for_scheduled_and_none_for_expired() -> None:
    state: Any = State()
    tell(state, "received", "later", 1, eta="2030-01-01T00:00:00+00:00")
    tell(state, "revoked", "late", 1, expired=True)
    assert (state.tasks["later"].state, state.tasks["late"].state) == ("RECEIVED", "REVOKED")
