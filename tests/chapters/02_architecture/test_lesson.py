"""What the lesson says of files, and draws: the table of moves, the picture, the settings."""

import re
from pathlib import Path

import celery
from packaging.version import Version

from tests.proof import moves
from tests.support.markdown import dead_links

CHAPTERS = Path(__file__).parents[3] / "chapters"
HERE = CHAPTERS / "02_architecture"
LESSON = (HERE / "README.md").read_text()


def test_the_table_says_where_things_were_and_are() -> None:
    rows = moves.rows(LESSON, "| what | in chapter 1 |")
    assert len(rows) == 10
    for _, before, now in rows:
        moves.prove(before, CHAPTERS / "01_overview")
        moves.prove(now, HERE)


def test_the_drawing_names_what_is_there() -> None:
    drawn = re.findall(r'<text class="code"[^>]*>([^<]+)<', (HERE / "architecture.svg").read_text())
    procfile = (HERE / "Procfile").read_text()
    settings = (HERE / "lab/config.py").read_text()
    for process in ("web", "worker"):
        assert f"process: {process}" in drawn
        assert re.search(rf"^{process}:", procfile, re.MULTILINE)
    for database, setting in ((0, "broker_url"), (1, "result_backend")):
        assert f"Redis, database {database}" in drawn
        assert f'"{setting}": "redis://localhost:6379/{database}"' in settings
    assert "list: photos" in drawn
    assert '"task_default_queue": "photos"' in settings
    assert "task: tasks.develop" in drawn
    assert 'name="tasks.develop"' in (HERE / "lab/tasks.py").read_text()
    assert 'key = f"celery-task-meta-{task_id}"' in (HERE / "support/look.py").read_text()
    assert "celery-task-meta-ID" in drawn
    assert "lab.sqlite, photos" in drawn


def test_the_timeline_is_in_order_and_ends_with_the_version_at_work() -> None:
    dates = re.findall(r"^\| (\d{4}-\d\d-\d\d) \|", LESSON, re.MULTILINE)
    assert dates == sorted(dates)
    assert len(dates) == 9
    version = Version(celery.__version__)
    assert f"| {version.major}.{version.minor}, which this tutorial runs on" in LESSON


def test_each_try_it_has_its_answer_below() -> None:
    tries = LESSON.split("**Try it.**")[1:]
    assert len(tries) == 5
    for each in tries:
        assert re.search(r"\n\n<details><summary>Answer</summary>\n\n", each), each[:80]


def test_each_link_leads_to_a_file_and_to_a_heading_in_it() -> None:
    assert dead_links(HERE / "README.md") == []
