"""What the lesson says of files, and draws: the table of news, the picture, the stops."""

import re
from pathlib import Path

from celery import Celery

from tests.proof import moves
from tests.support.markdown import dead_links

HERE = Path(__file__).parents[3] / "chapters/04_distributed_workflow"
LESSON = (HERE / "README.md").read_text()


def test_the_table_says_where_the_new_things_are() -> None:
    rows = moves.rows(LESSON, "| new | where | sitting |")
    assert len(rows) == 7
    for _, where, _ in rows:
        moves.prove(where, HERE)


def test_the_drawing_names_the_tasks_of_the_simple_chord() -> None:
    drawn = set(re.findall(r">tasks\.(\w+)<", (HERE / "workflow.svg").read_text()))
    code = (HERE / "simple_chord.py").read_text()
    assert drawn == set(re.findall(r"(\w+)\.s\(", code))


def test_each_question_has_its_answer_below() -> None:
    questions = LESSON.count("**Try it.**")
    assert questions == 6
    assert LESSON.count("<details><summary>Answer</summary>\n\n") == questions
    assert LESSON.count("</details>") == questions


def test_each_sitting_has_a_pause_and_a_stop() -> None:
    for sitting in LESSON.split("\n## ")[1:3]:
        assert "*A good place for a pause.*" in sitting
    assert len(re.findall(r"^\*A good place to stop", LESSON, re.MULTILINE)) == 2


def test_no_line_of_prose_is_wider_than_a_hundred() -> None:
    code = re.sub(r"^```.*?^```", "", LESSON, flags=re.MULTILINE | re.DOTALL)
    wide = [line for line in code.splitlines() if len(line) > 100 and line[0] not in "|!"]
    assert wide == []


def test_each_link_leads_to_a_file_and_to_a_heading_in_it() -> None:
    assert dead_links(HERE / "README.md") == []


def test_every_task_of_the_lab_has_both_time_limits() -> None:
    settings = (HERE / "lab/config.py").read_text()
    assert '"task_soft_time_limit": ' in settings
    assert '"task_time_limit": ' in settings


def test_what_the_lesson_says_of_celerys_defaults_is_so() -> None:
    assert Celery().conf.result_chord_retry_interval == 1.0, "chord_unlock asks every second"
