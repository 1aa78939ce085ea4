"""The application factory: apps of their own, bound late, whose tasks run in their context."""

import json
import select
import socket
import sqlite3
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
        assert select.select([server], [], [], 0) == ([], [], []), "no connection was made"
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
    from lab.db import db
    from lab.models import Order

    with app.app_context():
        return int(db.session.query(Order).count())


def test_a_task_runs_in_the_context_of_the_app_it_belongs_to(two_apps: list[Flask]) -> None:
    from lab.db import db
    from lab.models import Photo
    from lab.storage import photo_path

    for app in two_apps:
        with app.app_context():
            photo = Photo(id="the same id", name=app.name)
            db.session.add(photo)
            db.session.commit()
            path = photo_path(photo.id)
            path.parent.mkdir(parents=True)
            Image.linear_gradient("L").resize((60, 40)).save(path, "PNG")
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


def test_after_a_nested_context_a_shared_task_belongs_to_the_outer_app_again(
    two_apps: list[Flask],
) -> None:
    from lab.tasks import develop

    first, second = two_apps
    owners = []
    with first.app_context():
        owners.append(develop.app)
        with second.app_context():
            owners.append(develop.app)
        owners.append(develop.app)

    celery_apps = [app.extensions["celery"] for app in (first, second, first)]
    assert [owner.main for owner in owners] == [found.main for found in celery_apps]
    assert [owner.conf.task_default_queue for owner in owners] == ["first", "second", "first"]


def test_a_direct_call_has_a_session_of_its_own(two_apps: list[Flask]) -> None:
    from lab.db import db
    from lab.tasks import develop

    sessions = []

    def note(*_: object) -> None:
        sessions.append(db.session())

    with two_apps[0].app_context(), pytest.MonkeyPatch.context() as patch:
        photo_id = add_photo()
        patch.setattr("support.imaging.develop", note)
        develop(photo_id)
        sessions.append(db.session())

    assert sessions[0] is not sessions[1]


def test_no_transaction_is_open_while_a_photo_is_developed(two_apps: list[Flask]) -> None:
    from lab.db import db
    from lab.tasks import develop

    checked_out = []

    def note(*_: object) -> None:
        checked_out.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]

    app = two_apps[0]
    with app.app_context():
        photo_id = add_photo()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("support.imaging.develop", note)
        app.extensions["celery"].tasks[develop.name](photo_id)  # as a worker calls it

    assert checked_out == [0]


def add_photo() -> str:
    """Write a photo's row, and commit; return its id. Its file isn't needed."""
    from lab.db import db
    from lab.models import Photo

    photo = Photo(id=str(uuid4()), name="photo")
    db.session.add(photo)
    db.session.commit()
    return photo.id


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
    package: ModuleType,
    tmp_path: Path,
    redis_url: str,
    caplog: pytest.LogCaptureFixture,
    content: bytes,
    reason: str,
) -> None:
    (tmp_path / "lab.sqlite").write_bytes(content)
    urls = {"broker_url": f"{redis_url}/0", "result_backend": f"{redis_url}/1"}
    client = package.create_app({"DIR": tmp_path, "CELERY": urls}).test_client()
    form = {"arg1": 1, "arg2": 2}
    for answer in (client.get(f"/tasks/{uuid4()}"), client.post("/my-task", data=form)):
        assert answer.status_code == 503
        assert answer.json
        assert answer.json["detail"] == "The lab's own database can't be used. Ask again soon."
        assert reason in caplog.text, "the log says why"


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
    assert answer.json["detail"] == "The result backend can't be used. Ask again soon."
