"""The field guide's entries about messages: their names, their arguments, who gets them."""

import pytest

from tests.field_guide.conftest import Project
from tests.field_guide.guide import Words
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


def python(project: Project, code: str, **env: str) -> str:
    """Type some Python that uses the project's tasks."""
    return project.run(f"python -c 'from tasks import *; {code}'", **env)


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
        terminal.shows(words)
    project.write("lab.py", code.replace('"lab"', '"lab", include=["prints"]'))
    with project.worker(worker) as terminal:
        project.run(order)
        terminal.says("lake in oak")
        words.gone_from(terminal.screen)


def test_notregistered(project: Project, words: Words) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery

        app = Celery("tasks")

        @app.task(name="tasks.develop")
        def develop(photo):
            return f"{photo} developed"
        """,
    )
    order = 'print(app.send_task("{}", ["lake"]).get(timeout=30))'
    with project.worker():
        words.seen_in(python(project, order.format("lab.tasks.develop")))
        inspect = "celery -A tasks inspect registered"
        wait_until(lambda: "* tasks.develop" in project.run(inspect), "tasks.develop, registered")
        screen = python(project, order.format("tasks.develop"))
    assert "lake developed" in screen
    words.gone_from(screen)


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
        words.seen_in(project.run("python tasks.py"))
    project.write("tasks.py", code)
    with project.worker():
        screen = project.run("python tasks.py")
    assert "lake developed" in screen
    words.gone_from(screen)


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
            words.gone_from(wait_until(alone, "1 node online.", 40))


def test_no_row_was_found_when_one_was_required(project: Project, words: Words) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery
        from sqlalchemy import String, create_engine, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        app = Celery("tasks")
        engine = create_engine("sqlite:///photos.sqlite")

        class Base(DeclarativeBase):
            pass

        class Photo(Base):
            __tablename__ = "photo"
            id: Mapped[str] = mapped_column(String, primary_key=True)

        Base.metadata.create_all(engine)

        @app.task
        def develop(photo_id):
            with Session(engine) as session:
                photo = session.scalars(select(Photo).filter_by(id=photo_id)).one()
                return f"{photo.id} developed"
        """,
    )
    order = """
        from tasks import Photo, Session, develop, engine

        with Session(engine) as session:
            session.add(Photo(id="lake"))
            session.flush()
            print(develop.delay("lake").get(timeout=30))
            session.commit()
        """
    project.write("too_early.py", order)
    print_, commit = [line for line in order.splitlines() if "delay" in line or "commit" in line]
    project.write("in_time.py", order.replace(f"{print_}\n{commit}", f"{commit}\n{print_}"))
    with project.worker():
        words.seen_in(project.run("python too_early.py"))
        screen = project.run("python in_time.py")
    assert "lake developed" in screen
    words.gone_from(screen)


def test_object_of_type_filestorage_is_not_json_serializable(
    project: Project, words: Words
) -> None:
    project.write(
        "tasks.py",
        """
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
        """,
    )
    project.write(
        "upload.py",
        """
        import sys
        from io import BytesIO

        from tasks import flask_app

        data = {"photo": (BytesIO(b"a lake"), "lake.jpg")}
        print(flask_app.test_client().post(sys.argv[1], data=data).text)
        """,
    )
    words.seen_in(project.run("python upload.py /object"))
    with project.worker() as terminal:
        screen = project.run("python upload.py /name")
        terminal.says("developed: a lake")
    assert "taken in" in screen
    words.gone_from(screen)


def test_object_of_type_set_is_not_json_serializable_after_the_work_was_done(
    project: Project, words: Words
) -> None:
    project.write(
        "tasks.py",
        """
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
        """,
    )
    with project.worker() as terminal:
        words.seen_in(python(project, 'print(colours.delay("lake").get(timeout=30))'))
        terminal.says("the work is done")
        screen = python(project, 'print(sorted_colours.delay("lake").get(timeout=30))')
    assert "['blue', 'green']" in screen
    words.gone_from(screen)


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
        words.seen_in(python(project, "print(paper.delay((10, 15)).get(timeout=30))"))
        screen = python(project, "print(paper_of_tuple.delay((10, 15)).get(timeout=30))")
    assert "matt" in screen
    words.gone_from(screen)


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
        words.seen_in(python(project, "print(count.delay({10: 3}).get(timeout=30))"))
        order = "copies = {10: 3}; print(count_pairs.delay(list(copies.items())).get(timeout=30))"
        screen = python(project, order)
    assert "3 of the tenth" in screen
    words.gone_from(screen)


def test_refusing_to_deserialize_untrusted_content_of_type_pickle(
    project: Project, words: Words
) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery

        app = Celery("tasks")

        @app.task
        def develop(photo):
            return f"{photo} developed"
        """,
    )
    with project.worker() as terminal:
        python(project, 'develop.apply_async(["lake"], serializer="pickle")')
        terminal.shows(words)
    with project.worker() as terminal:
        python(project, 'develop.apply_async(["lake"])')
        terminal.says("lake developed")
        words.gone_from(terminal.screen)


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
    words.seen_in(python(project, order))
    project.write("tasks.py", BOUND_OR_NOT.format("self, photo"))
    with project.worker():
        screen = python(project, order)
    assert "lake developed" in screen
    words.gone_from(screen)


def test_missing_1_required_positional_argument(project: Project, words: Words) -> None:
    order = 'print(develop.delay("lake").get(timeout=30))'
    bound = BOUND_OR_NOT.format("self, photo")
    project.write("tasks.py", bound.replace("(bind=True)", ""))
    words.seen_in(python(project, order))
    project.write("tasks.py", bound)
    with project.worker():
        screen = python(project, order)
    assert "lake developed" in screen
    words.gone_from(screen)


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
        words.seen_in(python(project, order.format("s")))
        terminal.says("the work is done")
        screen = python(project, order.format("si"))
    assert "tidy" in screen
    words.gone_from(screen)


def test_got_an_unexpected_keyword_argument_though_the_code_has_it(
    project: Project, words: Words
) -> None:
    code = """
        from celery import Celery

        app = Celery("tasks")

        @app.task
        def develop(photo):
            return f"{photo} developed"
        """
    project.write("tasks.py", code)
    order = 'develop.delay("lake", paper="glossy")'
    with project.worker() as terminal:
        project.write("tasks.py", code.replace("(photo)", '(photo, paper="matt")'))
        python(project, order)
        terminal.shows(words)
    with project.worker() as terminal:
        python(project, order)
        terminal.says("lake developed")
        words.gone_from(terminal.screen)


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
    words.seen_in(python(project, order, CELERY_RESULT_BACKEND=""))
    with project.worker() as terminal:
        screen = python(project, f"print({order}.get(timeout=30))")
        terminal.says("an album of 2")
    words.gone_from(screen)
