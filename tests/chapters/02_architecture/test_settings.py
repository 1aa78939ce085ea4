"""Each layer of settings: the defaults, what the process is, the environment, the caller."""

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from types import ModuleType

import pytest

CHAPTER = Path(__file__).parents[3] / "chapters/02_architecture"
TIMEOUT = "LAB_CELERY__broker_transport_options__visibility_timeout"


def test_defaults_and_web_are_what_an_app_has_alone(package: ModuleType, tmp_path: Path) -> None:
    from lab.config import DEFAULTS, WEB

    app = package.create_app({"DIR": tmp_path})

    assert app.config["CELERY"] == {**DEFAULTS, **WEB}
    assert app.config["SQLALCHEMY_DATABASE_URI"] == f"sqlite:///{tmp_path}/lab.sqlite"
    assert package.create_app().config["DIR"] == CHAPTER / "var"


def test_a_worker_has_its_own_layer(package: ModuleType) -> None:
    from lab.config import DEFAULTS, WORKER

    assert package.create_app(process=WORKER).config["CELERY"] == {**DEFAULTS, **WORKER}


def test_the_environment_beats_defaults_and_process(
    package: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_DIR", str(tmp_path))
    monkeypatch.setenv("LAB_CELERY__task_time_limit", "90")  # a default
    monkeypatch.setenv("LAB_CELERY__task_track_started", "false")
    monkeypatch.setenv("LAB_CELERY__broker_connection_timeout", "9")  # WEB's
    app = package.create_app()
    settings = app.extensions["celery"].conf

    assert app.config["DIR"] == str(tmp_path)
    assert (settings.task_time_limit, settings.task_track_started) == (90, False)
    assert settings.broker_connection_timeout == 9


def test_what_the_caller_gives_beats_all_of_them(
    package: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_DIR", "/elsewhere")
    monkeypatch.setenv("LAB_CELERY__task_default_queue", "night")
    monkeypatch.setenv("LAB_CELERY__task_time_limit", "90")
    app = package.create_app({"DIR": tmp_path, "CELERY": {"task_default_queue": "mine"}})
    settings = app.extensions["celery"].conf

    assert app.config["DIR"] == tmp_path
    assert (settings.task_default_queue, settings.task_time_limit) == ("mine", 90)


@pytest.mark.slow
def test_a_nested_variable_reaches_the_worker() -> None:
    """The worker is where it matters: it gives messages back after this time."""
    code = "import json, make_celery; print(json.dumps(make_celery.flask_app.config['CELERY']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHAPTER,
        env=os.environ | {TIMEOUT: "7200"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["broker_transport_options"] == {"visibility_timeout": 7200}


def test_a_variable_may_hold_a_whole_dict(
    package: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lab.config import WORKER

    monkeypatch.setenv(TIMEOUT.rpartition("__")[0], '{"visibility_timeout": 7200}')
    settings = package.create_app(process=WORKER).config["CELERY"]

    assert settings["broker_transport_options"] == {"visibility_timeout": 7200}


def test_a_nested_variable_changes_one_app_and_not_the_defaults(
    package: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lab import config

    before = deepcopy([config.DEFAULTS, config.WEB, config.WORKER])
    monkeypatch.setenv(TIMEOUT, "7200")
    changed = package.create_app().config["CELERY"]["broker_transport_options"]
    monkeypatch.delenv(TIMEOUT)
    later = package.create_app().config["CELERY"]["broker_transport_options"]

    assert changed == {**config.WEB["broker_transport_options"], "visibility_timeout": 7200}
    assert later == config.WEB["broker_transport_options"]
    assert before == [config.DEFAULTS, config.WEB, config.WORKER]


def test_celerys_own_variable_beats_all_of_them(
    package: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CELERY__broker_url", "redis://second/0")
    lab_variable = package.create_app().extensions["celery"].conf.broker_url
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://first/0")
    app = package.create_app({"CELERY": {"broker_url": "redis://third/0"}})

    assert lab_variable == "redis://second/0"
    assert app.extensions["celery"].conf.broker_url == "redis://first/0"
