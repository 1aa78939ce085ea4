"""The field guide's entries about tasks at work: contexts, retries, limits, workflows."""

import pytest

from tests.field_guide.conftest import Project
from tests.field_guide.guide import Words

pytestmark = pytest.mark.slow


def python(project: Project, code: str) -> str:
    """Type some Python that uses the project's tasks."""
    return project.run(f"python -c 'from tasks import *; {code}'")


def test_working_outside_of_application_context(project: Project, words: Words) -> None:
    code = """
        from celery import Celery, Task
        from flask import Flask, current_app

        flask_app = Flask(__name__)
        flask_app.config["PAPER"] = "matt"

        class FlaskTask(Task):
            def __call__(self, *args, **kwargs):
                with flask_app.app_context():
                    return self.run(*args, **kwargs)

        celery_app = Celery("tasks", task_cls=FlaskTask)

        @celery_app.task
        def develop(photo):
            return f"{photo} on {current_app.config['PAPER']} paper"
        """
    order = 'print(develop.delay("lake").get(timeout=30))'
    project.write("tasks.py", code.replace(", task_cls=FlaskTask", ""))
    with project.worker():
        words.seen_in(python(project, order))
    project.write("tasks.py", code)
    with project.worker():
        screen = python(project, order)
    assert "lake on matt paper" in screen
    words.gone_from(screen)


def test_working_outside_of_request_context(project: Project, words: Words) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery
        from flask import Flask, request

        celery_app = Celery("tasks")
        flask_app = Flask(__name__)

        @celery_app.task
        def greet_sender():
            with flask_app.app_context():
                print(f"Dear {request.form['name']}!")

        @celery_app.task
        def greet(name):
            with flask_app.app_context():
                print(f"Dear {name}!")

        @flask_app.post("/too-late")
        def too_late():
            greet_sender.delay()
            return "", 202

        @flask_app.post("/in-time")
        def in_time():
            greet.delay(request.form["name"])
            return "", 202
        """,
    )
    post = 'flask_app.test_client().post("{}", data={{"name": "Ada"}})'
    with project.worker() as terminal:
        python(project, post.format("/too-late"))
        terminal.shows(words)
    with project.worker() as terminal:
        python(project, post.format("/in-time"))
        terminal.says("Dear Ada!")
        words.gone_from(terminal.screen)


def test_unable_to_build_urls_outside_an_active_request(project: Project, words: Words) -> None:
    code = """
        from celery import Celery
        from flask import Flask, url_for

        celery_app = Celery("tasks")
        flask_app = Flask(__name__)
        flask_app.config.update(SERVER_NAME="photos.example", PREFERRED_URL_SCHEME="https")

        @flask_app.get("/photos/<name>")
        def photo(name):
            return f"here is {name}"

        @celery_app.task
        def invite(name):
            with flask_app.app_context():
                return "Look: " + url_for("photo", name=name)
        """
    order = 'print(invite.delay("lake").get(timeout=30))'
    setting = next(line for line in code.splitlines() if "SERVER_NAME" in line)
    project.write("tasks.py", code.replace(setting, ""))
    with project.worker():
        words.seen_in(python(project, order))
    project.write("tasks.py", code)
    with project.worker():
        screen = python(project, order)
    assert "Look: https://photos.example/photos/lake" in screen
    words.gone_from(screen)


def test_never_call_resultget_within_a_task(project: Project, words: Words) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery

        app = Celery("tasks")

        @app.task
        def develop(photo):
            return f"{photo} developed"

        @app.task
        def frame(photo):
            return f"{photo} and framed"

        @app.task
        def order(photo):
            return frame(develop.delay(photo).get())
        """,
    )
    with project.worker():
        words.seen_in(python(project, 'print(order.delay("lake").get(timeout=30))'))
        chain = '(develop.s("lake") | frame.s()).delay()'
        screen = python(project, f"print({chain}.get(timeout=30))")
    assert "lake developed and framed" in screen
    words.gone_from(screen)


def test_succeeded_in_where_a_retry_in_should_be(project: Project, words: Words) -> None:
    code = """
        from celery import Celery

        app = Celery("tasks")

        @app.task(bind=True)
        def deliver(self, letter):
            try:
                if self.request.retries == 0:  # the post office is closed at first
                    raise self.retry(countdown=0.1)
                return "sent"
            except Exception:
                return "not sent"
        """
    project.write("tasks.py", code)
    with project.worker() as terminal:
        assert "not sent" in python(project, 'print(deliver.delay("Ada").get(timeout=30))')
        terminal.shows(words)
    project.write("tasks.py", code.replace("except Exception", "except OSError"))
    with project.worker() as terminal:
        python(project, 'deliver.delay("Ada").get(timeout=30)')
        terminal.says("Retry in 0.1s")
        terminal.says("'sent'")
        words.gone_from(terminal.screen)


def test_soft_time_limit_and_it_goes_on(project: Project, words: Words) -> None:
    code = """
        import time

        from celery import Celery
        from celery.exceptions import SoftTimeLimitExceeded

        app = Celery("tasks")

        @app.task(soft_time_limit=1)
        def develop(photo):
            for _ in range(20):
                try:
                    time.sleep(0.1)
                except SoftTimeLimitExceeded:
                    raise
                except Exception:
                    pass
            return f"{photo} developed"
        """
    listens = code[code.index("        except Soft") : code.index("        except Exception")]
    project.write("tasks.py", code.replace(listens, ""))
    worker = "celery -A tasks worker -c 1"
    with project.worker(worker) as terminal:
        python(project, 'develop.delay("lake")')
        terminal.shows(words)
    project.write("tasks.py", code)
    with project.worker(worker) as terminal:
        python(project, 'develop.delay("lake").get(timeout=30, propagate=False)')
        terminal.says("raised unexpected: SoftTimeLimitExceeded()")
        words.gone_from(terminal.screen)


def test_maxretriesexceedederror(project: Project, words: Words) -> None:
    code = """
        from celery import Celery

        app = Celery("tasks")

        @app.task(bind=True, max_retries=1, default_retry_delay=0.1)
        def deliver(self, letter):
            try:
                raise ConnectionRefusedError("the post office is closed")
            except OSError as error:
                raise self.retry()
        """
    order = 'deliver.delay("Ada").get(timeout=30)'
    project.write("tasks.py", code)
    with project.worker():
        words.seen_in(python(project, order))
    project.write("tasks.py", code.replace("retry()", "retry(exc=error)"))
    with project.worker():
        screen = python(project, order)
    assert "ConnectionRefusedError: the post office is closed" in screen
    words.gone_from(screen)


def test_succeeded_in_more_seconds_than_the_time_limit(project: Project, words: Words) -> None:
    project.write(
        "tasks.py",
        """
        import time

        from celery import Celery

        app = Celery("tasks")

        @app.task(time_limit=1)
        def develop(photo):
            time.sleep(2)
            return "developed"
        """,
    )
    for pool in ("solo", "threads"):
        with project.worker(f"celery -A tasks worker -P {pool}") as terminal:
            python(project, 'develop.delay("lake")')
            terminal.shows(words)
    with project.worker("celery -A tasks worker") as terminal:
        python(project, 'develop.delay("lake").get(timeout=30, propagate=False)')
        terminal.says("Hard time limit (1s) exceeded for tasks.develop")
        words.gone_from(terminal.screen)


def test_timelimitexceeded(project: Project, words: Words) -> None:
    code = """
        import time

        from celery import Celery
        from celery.exceptions import SoftTimeLimitExceeded

        app = Celery("tasks")

        @app.task(time_limit=1)
        def develop(photo):
            done = 0
            try:
                while True:  # there is always something to improve
                    done += 1
                    time.sleep(0.1)
            except SoftTimeLimitExceeded:
                return f"{photo} improved"
        """
    order = 'print(develop.delay("lake").get(timeout=30))'
    worker = "celery -A tasks worker -c 1"
    project.write("tasks.py", code)
    with project.worker(worker):
        words.seen_in(python(project, order))
    project.write("tasks.py", code.replace("time_limit=1", "soft_time_limit=1, time_limit=10"))
    with project.worker(worker):
        screen = python(project, order)
    assert "lake improved" in screen
    words.gone_from(screen)


def test_chorderror_dependency(project: Project, words: Words) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery, chord

        app = Celery("tasks")

        @app.task
        def develop(photo):
            if photo.startswith("half"):
                raise ValueError(f"{photo} is not a photo")
            return photo

        @app.task
        def try_to_develop(photo):
            try:
                return develop(photo)
            except ValueError as error:
                return str(error)

        @app.task
        def album(photos):
            return " | ".join(photos)

        @app.task
        def tell(request, error, traceback):
            print(f"The album was told of {error!r}")
        """,
    )
    order = (
        'body = album.s().on_error(tell.s()); chord([{0}.s("lake.jpg"), {0}.s("half.jpg")])(body)'
    )
    with project.worker() as terminal:
        python(project, order.format("develop"))
        terminal.shows(words)
        terminal.says("The album was told of ChordError")
    with project.worker() as terminal:
        python(project, order.format("try_to_develop"))
        terminal.says("lake.jpg | half.jpg is not a photo")
        words.gone_from(terminal.screen)


def test_celerychord_unlock_again_and_again(project: Project, words: Words) -> None:
    project.env["CELERY_RESULT_BACKEND"] = "db+sqlite:///results.sqlite"
    code = """
        from celery import Celery, chord

        app = Celery("tasks")
        app.conf.task_ignore_result = True

        @app.task
        def develop(photo):
            return photo

        @app.task
        def album(photos):
            return f"an album of {len(photos)}"
        """
    order = 'chord([develop.s("lake"), develop.s("dunes")])(album.s())'
    project.write("tasks.py", code)
    with project.worker() as terminal:
        python(project, order)
        terminal.shows(words)
        unlock = terminal.screen.partition("celery.chord_unlock[")[2].partition("]")[0]
        project.run(f"celery -A tasks control revoke {unlock}")
        terminal.says(f"Discarding revoked task: celery.chord_unlock[{unlock}]")
    project.write("tasks.py", code.replace("@app.task\n", "@app.task(ignore_result=False)\n", 1))
    with project.worker() as terminal:
        python(project, order)
        terminal.says("an album of 2")
        words.gone_from(terminal.screen)
