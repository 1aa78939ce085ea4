"""The field guide's entries about messages: their names, their arguments, who gets them."""

import textwrap

import pytest

from tests.field_guide.guide import Words
from tests.field_guide.project import DEVELOP, Project
from tests.support.waiting import wait_until
from workbench.probes import answers_http, free_port

pytestmark = pytest.mark.slow


def test_received_unregistered_task_of_type(project: Project, words: Words) -> None:
    code = """
        from celery import Celery

        app = Celery("lab")
        """
    project.write("lab.py", code)
    project.write(
        "prints.py",
        """
        from lab import app

        @app.task
        def frame(photo):
            return f"{photo} in oak"
        """,
    )
    order = "python -c 'from prints import frame; frame.delay(\"lake\").get(timeout=30)'"
    worker = "celery -A lab worker -P solo"
    with project.worker(worker) as terminal:
        project.run(order)
        terminal.expect_words(words)
    project.write("lab.py", code.replace('"lab"', '"lab", include=["prints"]'))
    with project.worker(worker) as terminal:
        project.run(order)
        terminal.expect("lake in oak")
        words.expect_gone_from(terminal.screen)


APP = """
    from flask import Flask

    from tasks import develop

    app = Flask(__name__)


    @app.post("/photos")
    def add_photo():
        return {"id": develop.delay("lake").id}
"""
OLD_NAME_TOO = """

@app.task(name="tasks.develop")
def develop_by_its_old_name(photo):
    return enlarge(photo)
"""


def test_received_unregistered_task_of_type_after_a_task_was_renamed(
    project: Project, words: Words
) -> None:
    port = free_port()
    serve = f"exec waitress-serve --listen=127.0.0.1:{port} app:app"
    post = f"curl -s -X POST http://127.0.0.1:{port}/photos"
    project.write("tasks.py", DEVELOP)
    project.write("app.py", APP)
    with project.terminal(serve, answers_http(port)):
        renamed = DEVELOP.replace("develop(", "enlarge(")
        project.write("app.py", APP.replace("develop", "enlarge"))
        project.write("tasks.py", renamed)
        with project.worker() as terminal:
            assert "id" in project.run(post)
            terminal.expect_words(words)
        project.write("tasks.py", renamed + OLD_NAME_TOO)
        with project.worker() as terminal:
            assert "id" in project.run(post)
            terminal.expect("lake is developed")
    project.write("tasks.py", renamed)
    with project.worker() as terminal, project.terminal(serve, answers_http(port)):
        project.run(post)
        terminal.expect("lake is developed")
        words.expect_gone_from(terminal.screen)


def test_notregistered(project: Project, words: Words) -> None:
    order = 'print(app.send_task("{}", ["lake"]).get(timeout=30))'
    inspect = "celery -A tasks inspect registered"
    project.write("tasks.py", DEVELOP.replace("@app.task", '@app.task(name="tasks.develop")'))
    with project.worker():
        words.expect_in(project.python(order.format("lab.tasks.develop")))
        wait_until(lambda: "* tasks.develop" in project.run(inspect), "tasks.develop, registered")
        screens = [project.python(order.format("tasks.develop"))]
        project.write("tasks.py", DEVELOP.replace("@app.task", '@app.task(name="lab.develop")'))
        assert "NotRegistered: 'lab.develop'" in project.python(order.format("lab.develop"))
    with project.worker():
        screens.append(project.python(order.format("lab.develop")))
    for screen in screens:
        assert "lake is developed" in screen
        words.expect_gone_from(screen)


def test_notregistered___main__develop(project: Project, words: Words) -> None:
    code = """
        from celery import Celery

        app = Celery(__name__)

        @app.task(name="tasks.develop")
        def develop(photo):
            return f"{photo} developed"

        if __name__ == "__main__":
            print(develop.delay("lake").get(timeout=30))
        """
    project.write("tasks.py", code.replace('(name="tasks.develop")', ""))
    with project.worker():
        words.expect_in(project.run("python tasks.py"))
    project.write("tasks.py", code)
    with project.worker():
        screen = project.run("python tasks.py")
    assert "lake developed" in screen
    words.expect_gone_from(screen)


def test_2_nodes_online_and_you_started_one(project: Project, words: Words) -> None:
    project.write("tasks.py", 'from celery import Celery\n\napp = Celery("tasks")\n')
    project.write("theirs.py", 'from celery import Celery\n\napp = Celery("theirs")\n')
    theirs = "celery -A theirs worker -P solo -n theirs@%h"
    elsewhere = project.env["CELERY_BROKER_URL"].removesuffix("/0") + "/2"

    def status() -> str:
        return project.run("celery -A tasks status")

    def alone() -> str:
        screen = status()  # asks for a second, in which a worker may be too busy to answer
        return screen if "1 node online." in screen else ""

    with project.worker():
        with project.worker(theirs):
            wait_until(lambda: words.are_in(status()), words.shown, 40)
        with project.worker(theirs, CELERY_BROKER_URL=elsewhere):
            words.expect_gone_from(wait_until(alone, "1 node online.", 40))


PHOTOS = """
    import os

    from celery import Celery
    from sqlalchemy import create_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

    app = Celery("tasks")
    engine = create_engine(f"sqlite:///{os.environ['DATABASE']}.sqlite")

    class Base(DeclarativeBase):
        pass

    class Photo(Base):
        __tablename__ = "photo"
        id: Mapped[str] = mapped_column(primary_key=True)

    Base.metadata.create_all(engine)

    @app.task
    def develop(photo_id):
        with Session(engine) as session:
            return f"{session.get_one(Photo, photo_id).id} is developed"

    def order_too_early():
        with Session(engine) as session:
            session.add(Photo(id="dunes"))
            session.flush()
            result = develop.delay("dunes").get(timeout=30)
            session.commit()
        return result

    def order(photo_id):
        with Session(engine) as session:
            session.add(Photo(id=photo_id))
            session.commit()
        return develop.delay(photo_id).get(timeout=30)
    """


def test_no_row_was_found_when_one_was_required(project: Project, words: Words) -> None:
    project.env["DATABASE"] = "photos"
    project.write("tasks.py", PHOTOS)
    with project.worker():
        words.expect_in(project.python("print(order_too_early())"))
        screen = project.python('print(order("lake"))')
    assert "lake is developed" in screen
    words.expect_gone_from(screen)


def test_no_row_was_found_when_one_was_required_though_the_row_is_there(
    project: Project, words: Words
) -> None:
    own_queue = '\n\napp.conf.task_default_queue = os.environ["QUEUE"]\n'
    theirs = {"DATABASE": "theirs", "QUEUE": "theirs"}
    ours = {"DATABASE": "ours", "QUEUE": "ours"}
    project.write("tasks.py", PHOTOS)
    with project.worker(**theirs):
        words.expect_in(project.python('print(order("dunes"))', **ours))
    project.write("tasks.py", PHOTOS + textwrap.indent(own_queue, "    "))
    with (
        project.worker("celery -A tasks worker -P solo -n theirs@%h", **theirs),
        project.worker("celery -A tasks worker -P solo -n ours@%h", **ours),
    ):
        screen = project.python('print(order("lake"))', **ours)
    assert "lake is developed" in screen
    words.expect_gone_from(screen)


UPLOADS = """
        from pathlib import Path

        from celery import Celery
        from flask import Flask, request

        app = Celery("tasks")
        flask_app = Flask(__name__)
        folder = Path("photos")
        folder.mkdir(exist_ok=True)

        @app.task
        def develop(name):
            print(f"developed: {(folder / name).read_text()}")

        @flask_app.post("/object")
        def take_object():
            develop.delay(request.files["photo"])
            return "taken in", 202

        @flask_app.post("/name")
        def take_name():
            photo, name = request.files["photo"], "1.jpg"
            photo.save(folder / name)
            develop.delay(name)
            return "taken in", 202
        """
UPLOAD = """
        import sys
        from io import BytesIO

        from tasks import flask_app

        data = {"photo": (BytesIO(b"a lake"), "lake.jpg")}
        print(flask_app.test_client().post(sys.argv[1], data=data).text)
        """


def test_object_of_type_filestorage_is_not_json_serializable(
    project: Project, words: Words
) -> None:
    project.write("tasks.py", UPLOADS)
    project.write("upload.py", UPLOAD)
    words.expect_in(project.run("python upload.py /object"))
    with project.worker() as terminal:
        screen = project.run("python upload.py /name")
        terminal.expect("developed: a lake")
    assert "taken in" in screen
    words.expect_gone_from(screen)


COLOURS = """
        from celery import Celery

        app = Celery("tasks")

        @app.task
        def colours(photo):
            found = {"blue", "green"}
            print("the work is done")
            return found

        @app.task
        def sorted_colours(photo):
            found = {"blue", "green"}
            return sorted(found)
        """


def test_object_of_type_set_is_not_json_serializable_after_the_work_was_done(
    project: Project, words: Words
) -> None:
    project.write("tasks.py", COLOURS)
    with project.worker() as terminal:
        words.expect_in(project.python('print(colours.delay("lake").get(timeout=30))'))
        terminal.expect("the work is done")
        screen = project.python('print(sorted_colours.delay("lake").get(timeout=30))')
    assert "['blue', 'green']" in screen
    words.expect_gone_from(screen)


def test_unhashable_type_list_where_you_sent_a_tuple(project: Project, words: Words) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery

        app = Celery("tasks")
        PAPER = {(10, 15): "matt", (13, 18): "glossy"}

        @app.task
        def paper(size):
            return PAPER[size]

        @app.task
        def paper_of_tuple(size):
            return PAPER[tuple(size)]
        """,
    )
    with project.worker():
        words.expect_in(project.python("print(paper.delay((10, 15)).get(timeout=30))"))
        screen = project.python("print(paper_of_tuple.delay((10, 15)).get(timeout=30))")
    assert "matt" in screen
    words.expect_gone_from(screen)


def test_keyerror_10_and_the_dict_you_sent_has_a_10(project: Project, words: Words) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery

        app = Celery("tasks")

        @app.task
        def count(copies):
            return f"{copies[10]} of the tenth"

        @app.task
        def count_pairs(pairs):
            copies = dict(pairs)
            return f"{copies[10]} of the tenth"
        """,
    )
    with project.worker():
        words.expect_in(project.python("print(count.delay({10: 3}).get(timeout=30))"))
        order = "copies = {10: 3}; print(count_pairs.delay(list(copies.items())).get(timeout=30))"
        screen = project.python(order)
    assert "3 of the tenth" in screen
    words.expect_gone_from(screen)


def test_refusing_to_deserialize_untrusted_content_of_type_pickle(
    project: Project, words: Words
) -> None:
    project.write("tasks.py", DEVELOP)
    with project.worker() as terminal:
        project.python('develop.apply_async(["lake"], serializer="pickle")')
        terminal.expect_words(words)
    with project.worker() as terminal:
        project.python('develop.apply_async(["lake"])')
        terminal.expect("lake is developed")
        words.expect_gone_from(terminal.screen)


BOUND_OR_NOT = """
    from celery import Celery

    app = Celery("tasks")

    @app.task(bind=True)
    def develop({}):
        return f"{{photo}} developed"
    """


def test_takes_1_positional_argument_but_2_were_given(project: Project, words: Words) -> None:
    order = 'print(develop.delay("lake").get(timeout=30))'
    project.write("tasks.py", BOUND_OR_NOT.format("photo"))
    words.expect_in(project.python(order))
    project.write("tasks.py", BOUND_OR_NOT.format("self, photo"))
    with project.worker():
        screen = project.python(order)
    assert "lake developed" in screen
    words.expect_gone_from(screen)


def test_missing_1_required_positional_argument(project: Project, words: Words) -> None:
    order = 'print(develop.delay("lake").get(timeout=30))'
    bound = BOUND_OR_NOT.format("self, photo")
    project.write("tasks.py", bound.replace("(bind=True)", ""))
    words.expect_in(project.python(order))
    project.write("tasks.py", bound)
    with project.worker():
        screen = project.python(order)
    assert "lake developed" in screen
    words.expect_gone_from(screen)


def test_takes_0_positional_arguments_but_1_was_given_in_a_chain(
    project: Project, words: Words
) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery

        app = Celery("tasks")

        @app.task
        def develop(photo):
            print("the work is done")

        @app.task
        def tidy_up():
            return "tidy"
        """,
    )
    order = 'print((develop.s("lake") | tidy_up.{}()).delay().get(timeout=30))'
    with project.worker() as terminal:
        words.expect_in(project.python(order.format("s")))
        terminal.expect("the work is done")
        screen = project.python(order.format("si"))
    assert "tidy" in screen
    words.expect_gone_from(screen)


def test_got_an_unexpected_keyword_argument_though_the_code_has_it(
    project: Project, words: Words
) -> None:
    project.write("tasks.py", DEVELOP)
    order = 'develop.delay("lake", paper="glossy")'
    with project.worker() as terminal:
        project.write("tasks.py", DEVELOP.replace("(photo)", '(photo, paper="matt")'))
        project.python(order)
        terminal.expect_words(words)
    with project.worker() as terminal:
        project.python(order)
        terminal.expect("lake is developed")
        words.expect_gone_from(terminal.screen)


def test_starting_chords_requires_a_result_backend_to_be_configured(
    project: Project, words: Words
) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery, chord

        app = Celery("tasks")

        @app.task
        def develop(photo):
            return photo

        @app.task
        def album(photos):
            return f"an album of {len(photos)}"
        """,
    )
    order = 'chord([develop.s("lake"), develop.s("dunes")])(album.s())'
    words.expect_in(project.python(order, CELERY_RESULT_BACKEND=""))
    with project.worker() as terminal:
        screen = project.python(f"print({order}.get(timeout=30))")
        terminal.expect("an album of 2")
    words.expect_gone_from(screen)


ANSWERS = """
    from flask import Flask

    from tasks import develop

    app = Flask(__name__)


    @app.post("/object")
    def answer_object():
        return {"task": develop.delay("lake")}


    @app.post("/id")
    def answer_id():
        return {"id": develop.delay("lake").id}
"""


def test_object_of_type_asyncresult_is_not_json_serializable(
    project: Project, words: Words
) -> None:
    project.write("tasks.py", DEVELOP)
    project.write("app.py", ANSWERS)
    post = "python -c 'from app import app; print(app.test_client().post(\"{}\").text)'"
    with project.worker() as terminal:
        words.expect_in(project.run(post.format("/object")))
        terminal.expect("lake is developed")
        assert "EncodeError: Object of type AsyncResult" in project.python(
            "result = develop.delay(1); app.control.revoke(result.id); develop.delay(result)"
        )
        assert "EncodeError: Object of type AsyncResult" in project.python(
            "app.control.revoke(develop.delay(1))"
        )
        screen = project.run(post.format("/id"))
    assert '{"id":' in screen
    words.expect_gone_from(screen)


ANOTHER_PROGRAM = """
    import os
    import sys

    from celery import Celery
    from kombu import Connection

    if sys.argv[1] == "task":
        Celery(broker=os.environ["CELERY_BROKER_URL"]).send_task("tasks.develop", ["lake"])
    else:
        with Connection(os.environ["CELERY_BROKER_URL"]) as connection:
            connection.SimpleQueue(sys.argv[1]).put({"photo": "lake"})
    """


def test_received_and_deleted_unknown_message(project: Project, words: Words) -> None:
    project.write("tasks.py", DEVELOP)
    project.write("another.py", ANOTHER_PROGRAM)
    with project.worker() as terminal:
        project.run("python another.py celery")
        terminal.expect_words(words)
        terminal.expect("'photo': 'lake'")
    with project.worker() as terminal:
        project.run("python another.py letters")
        project.run("python another.py task")
        terminal.expect("lake is developed")
        words.expect_gone_from(terminal.screen)
