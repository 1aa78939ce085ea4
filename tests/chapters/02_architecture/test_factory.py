"""The application factory: apps of their own, bound late, whose tasks run in their context."""

import json
import os
import select
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
import redis
from celery.signals import before_task_publish
from flask import Flask
from PIL import Image

from tests.support.chapter_runs import private_redis

CHAPTER = Path(__file__).parents[3] / "chapters/02_architecture"
CreateApp = Callable[..., Flask]


@pytest.fixture(scope="module")
def package() -> Iterator[ModuleType]:
    """Import the chapter's package, and forget it afterwards: another chapter may have a `lab`."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(CHAPTER))
        import lab.tasks

        yield lab
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("lab", "support"):
            del sys.modules[name]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from private_redis(tmp_path_factory)


@pytest.fixture
def two_apps(package: ModuleType, tmp_path: Path, redis_url: str) -> list[Flask]:
    """Make two apps in this process, with nothing in common."""
    apps = []
    for number, name in enumerate(("first", "second")):
        celery = {
            "broker_url": f"{redis_url}/{2 * number}",
            "result_backend": f"{redis_url}/{2 * number + 1}",
            "task_default_queue": name,
        }
        apps.append(package.create_app({"DIR": tmp_path / name, "CELERY": celery}))
        assert apps[-1].test_cli_runner().invoke(args=["init-db"]).exit_code == 0
    redis.Redis.from_url(redis_url).flushall()
    return apps


def test_making_an_app_connects_to_nothing_and_writes_nothing(
    package: ModuleType, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}"
        app = package.create_app(
            {"DIR": tmp_path / "new", "CELERY": {"broker_url": url, "result_backend": url}}
        )
        assert app.extensions["celery"].conf.broker_url == url
        assert select.select([server], [], [], 0) == ([], [], []), "nobody has knocked"
    assert not (tmp_path / "new").exists()


def test_two_apps_keep_their_own_settings(two_apps: list[Flask]) -> None:
    first, second = (app.extensions["celery"].conf for app in two_apps)
    assert (first.task_default_queue, second.task_default_queue) == ("first", "second")
    assert first.broker_url != second.broker_url
    assert first.result_backend != second.result_backend
    assert first.task_time_limit == second.task_time_limit == 60, "and what nobody has changed"


def test_each_of_two_apps_sends_to_its_own_broker_and_writes_into_its_own_database(
    two_apps: list[Flask], redis_url: str
) -> None:
    first, second = two_apps

    def api(app: Flask, arg1: int) -> None:
        form = {"arg1": arg1, "arg2": 0}
        assert app.test_client().post("/my-task", data=form).status_code == 202

    for app, arg1 in ((first, 1), (second, 2), (first, 3)):
        api(app, arg1)
    for app, arg1 in ((first, 4), (second, 5)):  # and in another thread
        thread = Thread(target=api, args=(app, arg1))
        thread.start()
        thread.join()

    assert sent(redis_url, 0, "first") == ["(1, 0)", "(3, 0)", "(4, 0)"]
    assert sent(redis_url, 2, "second") == ["(2, 0)", "(5, 0)"]
    assert [orders(app) for app in two_apps] == [3, 2]


def sent(url: str, database: int, queue: str) -> list[str]:
    """Return the arguments of all messages in a database, which are all in one queue."""
    broker = redis.Redis.from_url(f"{url}/{database}", decode_responses=True)
    lists = [key for key in broker.scan_iter() if not key.startswith("_kombu")]
    assert lists == [queue]
    return [json.loads(one)["headers"]["argsrepr"] for one in reversed(broker.lrange(queue, 0, -1))]


def orders(app: Flask) -> int:
    from lab.models import Order, db

    with app.app_context():
        return int(db.session.query(Order).count())


def test_a_task_runs_in_the_context_of_the_app_it_belongs_to(two_apps: list[Flask]) -> None:
    from lab.models import Photo, db

    for app in two_apps:
        with app.app_context():
            photo = Photo(id="the same id", name=app.name)
            db.session.add(photo)
            db.session.commit()
            photo.negative.parent.mkdir(parents=True)
            Image.linear_gradient("L").resize((60, 40)).save(photo.negative, "PNG")
    second = two_apps[1]
    second.extensions["celery"].tasks["tasks.develop"]("the same id")  # as a worker calls it
    found = [sorted(Path(app.config["DIR"]).rglob("large.jpg")) for app in two_apps]
    assert [len(prints) for prints in found] == [0, 1]
    seconds = []
    for app in two_apps:
        with app.app_context():
            seconds.append(db.session.get_one(Photo, "the same id").seconds)
    assert seconds[0] is None
    assert seconds[1] is not None


def test_the_order_is_committed_when_its_task_is_sent(two_apps: list[Flask]) -> None:
    """Look into the database from outside, at the moment in which the message leaves."""
    app = two_apps[0]
    seen: list[list[tuple[str]]] = []

    def look(headers: dict[str, Any], **_: object) -> None:
        with closing(sqlite3.connect(Path(app.config["DIR"]) / "lab.sqlite")) as database:
            found = database.execute("SELECT task FROM 'order' WHERE id = ?", [headers["id"]])
            seen.append(found.fetchall())

    before_task_publish.connect(look)
    try:
        app.test_client().post("/my-task", data={"arg1": 1, "arg2": 2})
    finally:
        before_task_publish.disconnect(look)
    assert seen == [[("tasks.my_task",)]]


def settings(env: dict[str, str], config: str = "None") -> dict[str, Any]:
    """Make an app in a process of its own; return some of its settings."""
    code = (
        "import json, lab\n"
        f"app = lab.create_app({config})\n"
        "celery = app.extensions['celery'].conf\n"
        "names = ('broker_url', 'task_default_queue', 'task_time_limit', 'task_track_started')\n"
        "found = {name: getattr(celery, name) for name in names}\n"
        "print(json.dumps(found | {'DIR': str(app.config['DIR'])}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHAPTER,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_settings_come_from_the_code_then_the_environment_then_the_caller(tmp_path: Path) -> None:
    assert settings({}) == {
        "broker_url": "redis://localhost:6379/0",
        "task_default_queue": "lab",
        "task_time_limit": 60,
        "task_track_started": True,
        "DIR": str(CHAPTER / "var"),
    }
    env = {
        "LAB_CELERY__broker_url": "redis://elsewhere/0",
        "LAB_CELERY__task_default_queue": "night",
        "LAB_CELERY__task_time_limit": "90",
        "LAB_CELERY__task_track_started": "false",
        "LAB_DIR": str(tmp_path),
    }
    found = settings(env, "{'CELERY': {'task_default_queue': 'mine'}}")
    assert found == {
        "broker_url": "redis://elsewhere/0",
        "task_default_queue": "mine",
        "task_time_limit": 90,
        "task_track_started": False,
        "DIR": str(tmp_path),
    }


def test_celerys_own_variable_beats_all_of_them() -> None:
    env = {"CELERY_BROKER_URL": "redis://first/0", "LAB_CELERY__broker_url": "redis://second/0"}
    found = settings(env, "{'CELERY': {'broker_url': 'redis://third/0'}}")
    assert found["broker_url"] == "redis://first/0"


def test_making_the_tables_again_keeps_what_is_in_them(two_apps: list[Flask]) -> None:
    app = two_apps[0]
    app.test_client().post("/my-task", data={"arg1": 1, "arg2": 2})
    assert app.test_cli_runner().invoke(args=["init-db"]).exit_code == 0
    assert orders(app) == 1


# --- whose database can't be used ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no such table: order"), (b"no database" * 100, "file is not a database")],
    ids=["without tables", "garbage"],
)
def test_what_is_wrong_with_the_labs_own_database_is_said_of_that_one(
    package: ModuleType, tmp_path: Path, redis_url: str, content: bytes, reason: str
) -> None:
    (tmp_path / "lab.sqlite").write_bytes(content)
    urls = {"broker_url": f"{redis_url}/0", "result_backend": f"{redis_url}/1"}
    client = package.create_app({"DIR": tmp_path, "CELERY": urls}).test_client()
    form = {"arg1": 1, "arg2": 2}
    for answer in (client.get(f"/tasks/{uuid4()}"), client.post("/my-task", data=form)):
        assert answer.status_code == 503
        assert answer.json
        assert answer.json["detail"] == (
            f"The lab's own database can't be used ({reason}). Ask again soon."
        )


def test_what_is_wrong_with_a_database_for_results_is_said_of_the_backend(
    package: ModuleType, tmp_path: Path, redis_url: str
) -> None:
    urls = {"broker_url": f"{redis_url}/0", "result_backend": f"db+sqlite:///{tmp_path}"}
    app = package.create_app({"DIR": tmp_path, "CELERY": urls})
    assert app.test_cli_runner().invoke(args=["init-db"]).exit_code == 0
    client = app.test_client()
    sent = client.post("/my-task", data={"arg1": 1, "arg2": 2})
    answer = client.get(sent.headers["Location"])
    assert answer.status_code == 503
    assert answer.json
    assert answer.json["detail"] == (
        "The result backend can't be used (unable to open database file). Ask again soon."
    )
