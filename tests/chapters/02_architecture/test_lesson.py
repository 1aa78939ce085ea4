"""What the lesson says of files, and draws: the table of moves, the picture, the settings."""

import ast
import re
from pathlib import Path

import celery
from packaging.version import Version

CHAPTERS = Path(__file__).parents[3] / "chapters"
HERE = CHAPTERS / "02_architecture"
LESSON = (HERE / "README.md").read_text()


def names_in(path: Path) -> set[str]:
    """Return what a module defines at its top."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def test_the_table_says_where_things_were_and_are() -> None:
    table = LESSON.partition("| what | where it was in chapter 1 |")[2].partition("\n\n")[0]
    rows = [row.split("|")[2:4] for row in table.splitlines()[2:]]
    assert len(rows) == 10
    for row in rows:
        for folder, cell in zip((CHAPTERS / "01_overview", HERE), row, strict=True):
            quoted = re.findall(r"`([^`]+)`", cell)
            files = [word for word in quoted if word.endswith(".py")]
            (name,) = (word for word in quoted if not word.endswith(".py"))
            assert files, cell
            for file in files:
                assert name in names_in(folder / file), f"{name} in {folder.name}/{file}"


def test_the_drawing_names_what_is_there() -> None:
    drawn = re.findall(r'<text class="code"[^>]*>([^<]+)<', (HERE / "architecture.svg").read_text())
    procfile = (HERE / "Procfile").read_text()
    settings = (HERE / "lab/celery_app.py").read_text()
    for process in ("web", "worker"):
        assert f"process: {process}" in drawn
        assert re.search(rf"^{process}:", procfile, re.MULTILINE)
    for database, setting in ((0, "broker_url"), (1, "result_backend")):
        assert f"Redis, database {database}" in drawn
        assert f'"{setting}": "redis://localhost:6379/{database}"' in settings
    assert "list: lab" in drawn
    assert '"task_default_queue": "lab"' in settings
    assert "task: tasks.develop" in drawn
    assert 'name="tasks.develop"' in (HERE / "lab/tasks.py").read_text()
    assert 'key = f"celery-task-meta-{task_id}"' in (HERE / "look.py").read_text()
    assert "celery-task-meta-ID" in drawn
    assert "lab.sqlite, photos" in drawn


def test_the_timeline_is_in_order_and_ends_with_the_version_at_work() -> None:
    dates = re.findall(r"^\| (\d{4}-\d\d-\d\d) \|", LESSON, re.MULTILINE)
    assert dates == sorted(dates)
    assert len(dates) == 9
    version = Version(celery.__version__)
    assert f"| {version.major}.{version.minor}, which this tutorial runs on" in LESSON
