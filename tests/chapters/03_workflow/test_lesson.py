"""What the lesson says of files, and draws: the tables of moves and news, the picture."""

import re
from datetime import timedelta
from inspect import getsource
from pathlib import Path

import pytest
from celery import Celery, Task
from celery.app import autoretry
from celery.worker import state

from tests.proof import moves

CHAPTERS = Path(__file__).parents[3] / "chapters"
HERE = CHAPTERS / "03_workflow"
LESSON = (HERE / "README.md").read_text()


def test_the_table_says_where_things_were_and_are() -> None:
    rows = moves.rows(LESSON, "| what | where it was in chapter 2 |")
    assert len(rows) == 9
    for _, before, now in rows:
        moves.prove(before, CHAPTERS / "02_architecture")
        moves.prove(now, HERE)


def test_the_table_says_where_the_new_things_are() -> None:
    rows = moves.rows(LESSON, "| new | where | sitting |")
    assert len(rows) == 6
    for _, where, _ in rows:
        moves.prove(where, HERE)


def test_the_drawing_names_tasks_that_there_are() -> None:
    drawn = set(re.findall(r">(tasks\.\w+)<", (HERE / "workflow.svg").read_text()))
    code = "".join((HERE / f"lab/{name}.py").read_text() for name in ("workflow", "post"))
    assert drawn == set(re.findall(r'name="(tasks\.\w+)"', code))


def test_the_lesson_has_a_stop_after_each_sitting_and_a_task_at_each_sections_end() -> None:
    sections = re.split(r"^#{2,3} ", LESSON, flags=re.MULTILINE)
    numbered = [section for section in sections if section.startswith("2.3")]
    assert len(numbered) == 6
    for section in numbered:
        assert "**Try it.**" in section, section.partition("\n")[0]
    assert len(re.findall(r"^\*A good place to stop", LESSON, re.MULTILINE)) == 3
    assert len(re.findall(r"^\*A good place for a pause", LESSON, re.MULTILINE)) == 3


def test_what_the_lesson_says_of_celerys_defaults_is_so() -> None:
    assert Task.max_retries == 3
    assert Task.default_retry_delay == timedelta(minutes=3).total_seconds()
    source = " ".join(getsource(autoretry).split())
    assert "'retry_backoff_max', 600)" in source
    assert "'retry_jitter', True)" in source
    assert timedelta(hours=3).total_seconds() == state.REVOKE_EXPIRES
    waits = [min(2**number, 60) for number in range(10)]
    assert sum(waits) == pytest.approx(timedelta(minutes=5).total_seconds(), abs=5)


def test_rpc_has_no_chords() -> None:
    backend = Celery(backend="rpc://", broker="memory://").backend
    with pytest.raises(NotImplementedError, match="does not support chords"):
        backend.ensure_chords_allowed()
