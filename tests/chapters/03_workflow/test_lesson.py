"""What the lesson says of files, and draws: the tables of moves and news, the picture."""

import re
import runpy
from collections.abc import Callable
from datetime import timedelta
from inspect import getsource
from pathlib import Path

import pytest
from celery import Task, states
from celery.app import autoretry
from celery.worker import state

from tests.proof import moves

CHAPTERS = Path(__file__).parents[3] / "chapters"
HERE = CHAPTERS / "03_workflow"
LESSON = (HERE / "README.md").read_text()
YOURS = Path(__file__).parent / "yours"


def test_the_table_says_where_the_new_things_are() -> None:
    rows = moves.rows(LESSON, "| new | where | sitting |")
    assert len(rows) >= 6
    for _, where, _ in rows:
        moves.prove(where, HERE)


def test_the_picture_names_states_and_events_that_there_are() -> None:
    drawn = set(re.findall(r">([A-Z]{5,}|task-\w+)<", (HERE / "one_task.svg").read_text()))
    events = {"sent", "received", "started", "succeeded", "failed", "retried", "revoked"}
    assert drawn == (states.ALL_STATES - {"RECEIVED"}) | {f"task-{name}" for name in events}


def test_the_lesson_has_a_stop_after_each_sitting_and_a_task_in_each_section() -> None:
    sections = re.split(r"^#{2,3} ", LESSON, flags=re.MULTILINE)
    numbered = [section for section in sections if section.startswith("2.3")]
    assert len(numbered) == 4
    for section in numbered:
        assert "**Try it.**" in section, section.partition("\n")[0]
    assert len(re.findall(r"^\*A good place to stop", LESSON, re.MULTILINE)) == 3


def test_each_try_it_is_answered() -> None:
    questions = LESSON.split("**Try it.**")[1:]
    assert questions
    for question in questions:
        assert "<details><summary>Answer</summary>\n\n" in question.partition("\n#")[0]


def test_what_the_lesson_says_of_celerys_defaults_is_so() -> None:
    assert Task.max_retries == 3
    assert Task.default_retry_delay == timedelta(minutes=3).total_seconds()
    source = " ".join(getsource(autoretry).split())
    assert "'retry_backoff_max', 600)" in source
    assert "'retry_jitter', True)" in source
    assert timedelta(hours=3).total_seconds() == state.REVOKE_EXPIRES
    waits = [min(2**number, 60) for number in range(10)]
    assert sum(waits) == pytest.approx(timedelta(minutes=5).total_seconds(), abs=5)


# --- what the lesson has you write


def test_the_task_of_the_shortest_start_notifies_once() -> None:
    yours = runpy.run_path(str(YOURS / "retries.py"))
    for _ in range(2):
        yours["notify"](7)
    assert yours["NOTICES"] == {7: ["notice-7"]}


def test_the_shortest_start_sends_for_later(run: Callable[..., str]) -> None:
    assert run(f"PYTHONPATH={YOURS} python -m later") == ""


@pytest.mark.slow
def test_the_monday_entry_is_said_in_words(run: Callable[..., str]) -> None:
    show = "from support.schedules import describe_schedule as say; print(say(entry['schedule']))"
    said = run(
        f"PYTHONPATH={YOURS} python -c \"import monday; entry = monday.SCHEDULE['monday']; {show}\""
    )
    assert said == "each day at 04:00, if the day of the week is mon\n"
    assert said.strip() in " ".join(LESSON.split())
