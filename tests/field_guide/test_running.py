"""The field guide's entries about tasks at work: contexts, retries, limits, workflows."""

import pytest

from tests.field_guide.guide import Words
from tests.field_guide.project import Project
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


IN_AN_APP_CONTEXT = """
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


def test_working_outside_of_application_context(project: Project, words: Words) -> None:
    order = 'print(develop.delay("lake").get(timeout=30))'
    project.write("tasks.py", IN_AN_APP_CONTEXT.replace(", task_cls=FlaskTask", ""))
    with project.worker():
        words.expect_in(project.python(order))
    project.write("tasks.py", IN_AN_APP_CONTEXT)
    with project.worker():
        screen = project.python(order)
    assert "lake on matt paper" in screen
    words.expect_gone_from(screen)


GREETINGS = """
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
        """


def test_working_outside_of_request_context(project: Project, words: Words) -> None:
    project.write("tasks.py", GREETINGS)
    post = 'flask_app.test_client().post("{}", data={{"name": "Ada"}})'
    with project.worker() as terminal:
        project.python(post.format("/too-late"))
        terminal.expect_words(words)
    with project.worker() as terminal:
        project.python(post.format("/in-time"))
        terminal.expect("Dear Ada!")
        words.expect_gone_from(terminal.screen)


INVITATION = """
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


def test_unable_to_build_urls_outside_an_active_request(project: Project, words: Words) -> None:
    order = 'print(invite.delay("lake").get(timeout=30))'
    setting = next(line for line in INVITATION.splitlines() if "SERVER_NAME" in line)
    project.write("tasks.py", INVITATION.replace(setting, ""))
    with project.worker():
        words.expect_in(project.python(order))
    project.write("tasks.py", INVITATION)
    with project.worker():
        screen = project.python(order)
    assert "Look: https://photos.example/photos/lake" in screen
    words.expect_gone_from(screen)


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
        words.expect_in(project.python('print(order.delay("lake").get(timeout=30))'))
        chain = '(develop.s("lake") | frame.s()).delay()'
        screen = project.python(f"print({chain}.get(timeout=30))")
    assert "lake developed and framed" in screen
    words.expect_gone_from(screen)


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
        assert "not sent" in project.python('print(deliver.delay("Ada").get(timeout=30))')
        terminal.expect_words(words)
    project.write("tasks.py", code.replace("except Exception", "except OSError"))
    with project.worker() as terminal:
        project.python('deliver.delay("Ada").get(timeout=30)')
        terminal.expect("Retry in 0.1s")
        terminal.expect("'sent'")
        words.expect_gone_from(terminal.screen)


RAISES_AGAIN = """
                except SoftTimeLimitExceeded:
                    raise"""
WITH_SOFT_LIMIT = """
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


def test_soft_time_limit_and_it_goes_on(project: Project, words: Words) -> None:
    project.write("tasks.py", WITH_SOFT_LIMIT.replace(RAISES_AGAIN, ""))
    worker = "celery -A tasks worker -c 1"
    with project.worker(worker) as terminal:
        project.python('develop.delay("lake")')
        terminal.expect_words(words)
    project.write("tasks.py", WITH_SOFT_LIMIT)
    with project.worker(worker) as terminal:
        project.python('develop.delay("lake").get(timeout=30, propagate=False)')
        terminal.expect("raised unexpected: SoftTimeLimitExceeded()")
        words.expect_gone_from(terminal.screen)


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
        words.expect_in(project.python(order))
    project.write("tasks.py", code.replace("retry()", "retry(exc=error)"))
    with project.worker():
        screen = project.python(order)
    assert "ConnectionRefusedError: the post office is closed" in screen
    words.expect_gone_from(screen)


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
            project.python('develop.delay("lake")')
            terminal.expect_words(words)
    with project.worker("celery -A tasks worker") as terminal:
        project.python('develop.delay("lake").get(timeout=30, propagate=False)')
        terminal.expect("Hard time limit (1s) exceeded for tasks.develop")
        words.expect_gone_from(terminal.screen)


WITHOUT_END = """
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


def test_timelimitexceeded(project: Project, words: Words) -> None:
    order = 'print(develop.delay("lake").get(timeout=30))'
    worker = "celery -A tasks worker -c 1"
    project.write("tasks.py", WITHOUT_END)
    with project.worker(worker):
        words.expect_in(project.python(order))
    project.write(
        "tasks.py", WITHOUT_END.replace("time_limit=1", "soft_time_limit=1, time_limit=10")
    )
    with project.worker(worker):
        screen = project.python(order)
    assert "lake improved" in screen
    words.expect_gone_from(screen)


ALBUM = """
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
        """


def test_chorderror_dependency(project: Project, words: Words) -> None:
    project.write("tasks.py", ALBUM)
    order = (
        'body = album.s().on_error(tell.s()); chord([{0}.s("lake.jpg"), {0}.s("half.jpg")])(body)'
    )
    with project.worker() as terminal:
        project.python(order.format("develop"))
        terminal.expect_words(words)
        terminal.expect("The album was told of ChordError")
    with project.worker() as terminal:
        project.python(order.format("try_to_develop"))
        terminal.expect("lake.jpg | half.jpg is not a photo")
        words.expect_gone_from(terminal.screen)


WITHOUT_RESULTS = """
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


def test_celerychord_unlock_again_and_again(project: Project, words: Words) -> None:
    project.env["CELERY_RESULT_BACKEND"] = "db+sqlite:///results.sqlite"
    order = 'chord([develop.s("lake"), develop.s("dunes")])(album.s())'
    project.write("tasks.py", WITHOUT_RESULTS)
    with project.worker() as terminal:
        project.python(order)
        terminal.expect_words(words)
        unlock = terminal.screen.partition("celery.chord_unlock[")[2].partition("]")[0]
        project.run(f"celery -A tasks control revoke {unlock}")
        terminal.expect(f"Discarding revoked task: celery.chord_unlock[{unlock}]")
    project.write(
        "tasks.py", WITHOUT_RESULTS.replace("@app.task\n", "@app.task(ignore_result=False)\n", 1)
    )
    with project.worker() as terminal:
        project.python(order)
        terminal.expect("an album of 2")
        words.expect_gone_from(terminal.screen)


ASYNC = """
    import asyncio

    from celery import Celery

    app = Celery("tasks")


    @app.task
    async def develop(photo):
        await asyncio.sleep(0.1)
        return f"{photo} is developed"
    """
CALLED_BY_A_PLAIN_TASK = """

    @app.task(name="tasks.develop")
    def develop_and_wait(photo):
        return asyncio.run(develop(photo))
    """


def test_object_of_type_coroutine_is_not_json_serializable(project: Project, words: Words) -> None:
    order = 'print(app.send_task("tasks.develop", ["lake"]).get(timeout=30))'
    project.write("tasks.py", ASYNC)
    with project.worker() as terminal:
        project.python(order)
        terminal.expect_words(words)
    project.write("tasks.py", ASYNC.replace("@app.task", "@app.task(ignore_result=True)"))
    with project.worker() as terminal:
        project.python('develop.delay("lake")')
        terminal.expect("succeeded in")
        terminal.expect("coroutine 'develop' was never awaited")
    project.write("tasks.py", ASYNC.replace("    @app.task\n", "") + CALLED_BY_A_PLAIN_TASK)
    for pool in ("prefork", "threads"):
        with project.worker(f"celery -A tasks worker -P {pool} -c 2") as terminal:
            assert "lake is developed" in project.python(order)
            words.expect_gone_from(terminal.screen)


COUNTS_IN_PROCESSES = """
        import multiprocessing

        from celery import Celery, group

        app = Celery("tasks")

        @app.task
        def develop(photo):
            return f"{photo} is developed"

        @app.task
        def develop_all(photos):
            with multiprocessing.Pool(2) as pool:
                return pool.map(str.upper, photos)
        """


def test_daemonic_processes_are_not_allowed_to_have_children(
    project: Project, words: Words
) -> None:
    project.write("tasks.py", COUNTS_IN_PROCESSES)
    order = 'print(develop_all.delay(["lake", "dunes"]).get(timeout=30))'
    with project.worker("celery -A tasks worker -c 2"):
        words.expect_in(project.python(order))
        each = 'group(develop.s(photo) for photo in ["lake", "dunes"]).delay()'
        screen = project.python(f"print({each}.get(timeout=30))")
    assert "dunes is developed" in screen
    words.expect_gone_from(screen)


ONE_CLIENT_FOR_ALL = """
        import asyncio
        import os

        import redis.asyncio
        from celery import Celery

        app = Celery("tasks")
        address = os.environ["CELERY_RESULT_BACKEND"]
        client = redis.asyncio.from_url(address)

        async def count():
            return await client.incr("photos")

        @app.task
        def develop(photo):
            return f"{photo} is number {asyncio.run(count())}"
        """
A_CLIENT_FOR_EACH = """
        async def count():
            async with redis.asyncio.from_url(address) as client:
                return await client.incr("photos")
"""
ITS_SYNCHRONOUS_CLIENT = """
        @app.task
        def develop(photo):
            with redis.Redis.from_url(address) as client:
                return f"{photo} is number {client.incr('photos')}"
        """


def test_event_loop_is_closed_at_the_second_task(project: Project, words: Words) -> None:
    order = 'print(develop.delay("lake").get(timeout=30))'
    project.write("tasks.py", ONE_CLIENT_FOR_ALL)
    with project.worker():
        assert "lake is number 1" in project.python(order)
        words.expect_in(project.python(order))
    whole, _, task = ONE_CLIENT_FOR_ALL.partition("        @app.task")
    start = whole.partition("        client =")[0]
    for mended in (
        f"{start}{A_CLIENT_FOR_EACH}\n        @app.task{task}",
        start + ITS_SYNCHRONOUS_CLIENT,
    ):
        project.write("tasks.py", mended)
        with project.worker():
            screen = project.python(order) + project.python(order)
        assert screen.count("lake is number") == 2
        words.expect_gone_from(screen)


BROKEN_PHOTO = """
        from celery import Celery

        app = Celery("tasks")

        class BrokenPhotoError(Exception):
            def __init__(self, photo, reason):
                super().__init__(f"{photo}: {reason}")

        @app.task
        def develop(photo):
            raise BrokenPhotoError(photo, "too short")
        """
PASSES_ALL_ON = """                super().__init__(photo, reason)

            def __str__(self):
                return "{}: {}".format(*self.args)
"""
CATCH = """
    from tasks import BrokenPhotoError, develop

    try:
        develop.delay("half.jpg").get(timeout=30)
    except BrokenPhotoError as error:
        print("caught:", error)
    """


def test_unpickleableexceptionwrapper(project: Project, words: Words) -> None:
    project.write("catch.py", CATCH)
    project.write("tasks.py", BROKEN_PHOTO)
    with project.worker("celery -A tasks worker -c 1"):
        words.expect_in(project.run("python catch.py"))
    once = '                super().__init__(f"{photo}: {reason}")\n'
    project.write("tasks.py", BROKEN_PHOTO.replace(once, PASSES_ALL_ON))
    with project.worker("celery -A tasks worker -c 1"):
        screen = project.run("python catch.py")
    assert "caught: half.jpg: too short" in screen
    words.expect_gone_from(screen)


WRITES_BEFORE_IT_WORKS = """
        import sqlite3
        import time
        from contextlib import closing
        from pathlib import Path

        from celery import Celery

        app = Celery("tasks")

        def enlarge(photo):
            Path(f"{photo}.begun").touch()
            while not Path(f"{photo}.finish").exists():
                time.sleep(0.1)

        @app.task
        def develop(photo):
            with closing(sqlite3.connect("photos.sqlite")) as database, database:
                database.execute("CREATE TABLE IF NOT EXISTS photo (name)")
                database.execute("INSERT INTO photo VALUES (?)", [photo])
                enlarge(photo)
            return f"{photo} is developed"
        """


def test_database_is_locked(project: Project, words: Words) -> None:
    order = 'print(develop.delay("dunes").get(timeout=30))'
    begin = 'develop.delay("lake")'
    slow = "                enlarge(photo)\n"
    writes_later = WRITES_BEFORE_IT_WORKS.replace(slow, "").replace(
        "            with closing", "            enlarge(photo)\n            with closing"
    )
    (project.folder / "dunes.finish").touch()
    screens = []
    for code in (WRITES_BEFORE_IT_WORKS, writes_later):
        project.write("tasks.py", code)
        with project.worker("celery -A tasks worker -c 2") as terminal:
            project.python(begin)
            wait_until((project.folder / "lake.begun").exists, "the first task works", 30)
            screens.append(project.python(order))
            (project.folder / "lake.finish").touch()
            terminal.expect("lake is developed")
        for name in ("lake.begun", "lake.finish"):
            (project.folder / name).unlink()
    words.expect_in(screens[0])
    assert "dunes is developed" in screens[1]
    words.expect_gone_from(screens[1])
