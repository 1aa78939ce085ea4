"""The field guide's entries about what is seen before anything works."""

from pathlib import Path

import pytest

from tests.field_guide.guide import Words
from tests.field_guide.project import DEVELOP, Project
from tests.support.terminal_run import Run
from workbench.probes import answers_http, free_port

pytestmark = pytest.mark.slow


def test_flask_object_has_no_attribute_user_options(project: Project, words: Words) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery
        from flask import Flask

        app = Flask(__name__)
        celery_app = Celery("tasks")
        """,
    )
    words.expect_in(project.run("celery -A tasks report"))
    words.expect_gone_from(project.run("celery -A tasks:celery_app report"))


LAB = """
        from celery import Celery
        from flask import Flask


        def create_app() -> Flask:
            app = Flask(__name__)
            app.extensions["celery"] = Celery("lab")
            return app
        """
MAKE_CELERY_OF_LAB = """
        from lab import create_app

        flask_app = create_app()
        celery_app = flask_app.extensions["celery"]
        """


def test_function_object_has_no_attribute_user_options(project: Project, words: Words) -> None:
    project.write("lab.py", LAB)
    words.expect_in(project.run("celery -A lab:create_app worker"))

    project.write("make_celery.py", MAKE_CELERY_OF_LAB)
    with project.worker("celery -A make_celery worker -P solo") as worker:
        worker.expect("ready.")
        words.expect_gone_from(worker.screen)


def test_the_module_task_was_not_found(project: Project, words: Words) -> None:
    project.write("tasks.py", DEVELOP)
    words.expect_in(project.run("celery -A task report"))
    assert "The module tasks:celery was not found." in project.run("celery -A tasks:celery report")
    elsewhere = project.run("mkdir elsewhere && cd elsewhere && celery -A tasks report")
    assert "The module tasks was not found." in elsewhere
    for name in ("tasks", "tasks:app"):
        mended = project.run(f"celery -A {name} report")
        assert "transport:redis" in mended
        words.expect_gone_from(mended)


def test_the_support_for_this_usage_was_removed_in_celery_50(
    project: Project, words: Words
) -> None:
    project.write("tasks.py", DEVELOP)
    words.expect_in(project.run("celery worker -A tasks"))
    with project.worker("celery -A tasks worker -P solo") as worker:
        worker.expect("ready.")
        words.expect_gone_from(worker.screen)


APP = """
        from celery import Celery
        from flask import Flask

        from tasks import develop

        app = Flask(__name__)
        celery_app = Celery("app")
        celery_app.set_default()


        @app.post("/photos")
        def take_in() -> dict[str, str]:
            return {"id": develop.delay("lake").id}
        """
TASKS = """
        from app import celery_app


        @celery_app.task(name="tasks.develop")
        def develop(photo: str) -> str:
            return f"print of {photo}"
    """


def test_cannot_import_name_celery_app_from_partially_initialized_module(
    project: Project, words: Words
) -> None:
    project.write("app.py", APP)
    mended = TASKS.replace("from app import celery_app", "from celery import shared_task")
    mended = mended.replace("@celery_app.task", "@shared_task")

    project.write("tasks.py", TASKS)
    words.expect_in(project.run("flask routes"))
    words.expect_in(project.run("celery -A app:celery_app report"))

    project.write("tasks.py", mended)
    screen = project.run("flask routes")
    assert "take_in" in screen
    words.expect_gone_from(screen)
    with project.worker("celery -A app:celery_app worker -P solo") as worker:
        project.run("python -c 'from app import app; app.test_client().post(\"/photos\")'")
        worker.expect("succeeded in")
        words.expect_gone_from(worker.screen)


BOTH_SPELLINGS = """
        import os

        from celery import Celery
        from flask import Flask

        app = Flask(__name__)
        app.config["CELERY_RESULT_BACKEND"] = os.environ["CELERY_RESULT_BACKEND"]

        celery_app = Celery(app.name)
        celery_app.conf.update(app.config)
        celery_app.conf.task_track_started = True
        """
NEW_SPELLING = """
        import os

        from celery import Celery
        from flask import Flask

        app = Flask(__name__)
        app.config["CELERY"] = {
            "result_backend": os.environ["CELERY_RESULT_BACKEND"],
            "task_track_started": True,
        }

        celery_app = Celery(app.name)
        celery_app.config_from_object(app.config["CELERY"])
        """


def test_cannot_mix_new_and_old_setting_keys(project: Project, words: Words) -> None:
    project.write("app.py", BOTH_SPELLINGS)
    words.expect_in(project.run("celery -A app:celery_app report"))

    project.write("app.py", NEW_SPELLING)
    mended = project.run("celery -A app:celery_app report")
    assert "task_track_started: True" in mended
    words.expect_gone_from(mended)


def test_address_already_in_use(project: Project, words: Words) -> None:
    project.write("app.py", "from flask import Flask\n\napp = Flask(__name__)\n")
    port, another = free_port(), free_port()
    command = "exec waitress-serve --listen=127.0.0.1:{} app:app"
    with project.terminal(command.format(port), answers_http(port)):
        words.expect_in(project.run(command.format(port)))
        in_use = f"Port {port} is in use by another program."
        assert in_use in project.run(f"flask run --port {port}")
        with project.terminal(command.format(another), answers_http(another)) as mended:
            mended.expect("Serving on")
            words.expect_gone_from(mended.screen)
    with project.terminal(command.format(port), answers_http(port)) as mended:
        mended.expect("Serving on")
        words.expect_gone_from(mended.screen)


WORDSHOP = """
    from celery import Celery
    from flask import Flask


    def create_app() -> Flask:
        app = Flask(__name__)
        app.extensions["celery"] = Celery("wordshop")
        return app
"""
MAKE_CELERY = """
    from wordshop import create_app

    flask_app = create_app()
    celery_app = flask_app.extensions["celery"]
"""


def test_module_wordshop_has_no_attribute_celery(project: Project, words: Words) -> None:
    project.write("wordshop/__init__.py", WORDSHOP)
    words.expect_in(project.run("celery -A wordshop report"))
    project.write("make_celery.py", MAKE_CELERY)
    with project.worker("celery -A make_celery worker -P solo") as worker:
        worker.expect("ready.")
        words.expect_gone_from(worker.screen)
    project.write("wordshop/celery.py", MAKE_CELERY)
    with project.worker("celery -A wordshop worker -P solo") as worker:
        worker.expect("wordshop:0x")
        words.expect_gone_from(worker.screen)


def test_cannot_import_name_celery_from_partially_initialized_module_celery(
    project: Project, words: Words
) -> None:
    project.write("celery.py", DEVELOP)
    project.write("app.py", 'from flask import Flask\n\nimport celery\n\napp = Flask("app")\n')
    words.expect_in(project.run("flask routes"))
    words.expect_in(project.run("python celery.py"))
    project.run("mv celery.py tasks.py")
    project.write("app.py", 'from flask import Flask\n\nimport tasks\n\napp = Flask("app")\n')
    screen = project.run("flask routes")
    assert "static" in screen
    words.expect_gone_from(screen)


def test_default0x_in_the_workers_banner_and_no_tasks(project: Project, words: Words) -> None:
    project.write("celery.py", DEVELOP)
    for command in ("celery -A celery worker -P solo", "celery worker -P solo"):
        with project.worker(command) as worker:
            worker.expect_words(words)
            assert "tasks.develop" not in worker.screen
            project.run("celery call tasks.develop --args '[\"lake\"]'")
            worker.expect("Received unregistered task of type 'tasks.develop'")
    project.run("mv celery.py tasks.py")
    with project.worker() as worker:
        worker.expect(". tasks.develop")
        words.expect_gone_from(worker.screen)


def test_was_not_ready_after_40_s_when_you_start_a_worker_again(
    tmp_path: Path, words: Words
) -> None:
    run = Run(tmp_path / "var")
    try:
        run.read_until("Ready (")
        for name in ("worker", "broker"):
            run.tell("stop", name)
        words.expect_in(run.tell("start", "worker").stderr)
        assert run.tell("start", "broker").stdout == "broker started\n"
        mended = run.tell("start", "worker").stdout
        assert mended == "worker started\n"
        words.expect_gone_from(mended)
    finally:
        run.end()
    assert "consumer: Cannot connect to redis://" in run.said
