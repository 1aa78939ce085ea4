"""The field guide's entries about tasks that run late, early, too often, or in the wrong order."""

import os
from functools import partial

import pytest
from redis import Redis

from tests.field_guide.guide import Words
from tests.field_guide.project import DEVELOP_UNTIL_FINISH, Project
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

PUBLISH = """
from datetime import datetime, timedelta

from celery import Celery

app = Celery("tasks")


@app.task
def publish(photo):
    return f"{photo} is published"
"""
AT_MOST_ONE = """

app.conf.worker_prefetch_multiplier = 1
app.conf.task_acks_late = True
"""
REPORT = """
from celery import Celery
from celery.schedules import crontab

app = Celery("tasks")
app.conf.beat_schedule = {"report": {"task": "tasks.report", "schedule": crontab(hour=7)}}


@app.task
def report():
    return "Three photos were developed."
"""


def test_received_several_times_with_the_same_id(project: Project, words: Words) -> None:
    options = """

app.conf.broker_transport_options = {
    "visibility_timeout": 1,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
}
"""
    send = "celery -A tasks call tasks.publish --args '[\"lake\"]' --countdown 4"
    project.write("tasks.py", PUBLISH + options)
    with project.worker() as worker:
        project.run(send)
        worker.expect_words(words)
    Redis.from_url(project.env["CELERY_BROKER_URL"]).flushall()
    mended = options.replace('"visibility_timeout": 1,', '"visibility_timeout": 86400,')
    project.write("tasks.py", PUBLISH + mended)
    with project.worker() as worker:
        task_id = project.run(send).strip()
        worker.expect(f"Task tasks.publish[{task_id}] succeeded")
        words.expect_gone_from(worker.screen)


def test_eta_in_celery_inspect_scheduled_is_hours_away(project: Project, words: Words) -> None:
    project.write("tasks.py", PUBLISH)
    send = (
        "celery -A tasks purge -f && TZ=Asia/Shanghai "
        "python -c \"from tasks import *; publish.apply_async(['lake'], eta={})\""
    )
    for now in ("datetime.now()", "datetime.now().astimezone()"):
        with project.worker() as worker:
            project.run(send.format(f"{now} + timedelta(minutes=1)"))
            worker.expect("received")
            screen = project.run("celery -A tasks inspect scheduled")
            worker.service.kill_tree()
        assert "1 node online" in screen
        assert "tasks.publish" in screen
        if now == "datetime.now()":
            words.expect_in(screen)
    words.expect_gone_from(screen)


def nothing_reserved(project: Project) -> str:
    """Ask what the workers have fetched; return the screen if that is nothing."""
    screen = project.run("celery -A tasks inspect reserved")
    return screen if "- empty -" in screen else ""


def test_id_in_celery_inspect_reserved_while_another_worker_has_nothing_to_do(
    project: Project, words: Words
) -> None:
    redis = Redis.from_url(project.env["CELERY_BROKER_URL"])
    send = "from tasks import *; [develop.delay(photo) for photo in ('lake', 'dunes')]"
    project.write("tasks.py", DEVELOP_UNTIL_FINISH)
    with project.worker("celery -A tasks worker -c 1 -n busy@%h") as busy:
        project.run(f'python -c "{send}"')
        wait_until(lambda: busy.screen.count("received") == 2, "both are fetched", 30)
        wait_until((project.folder / "lake.begun").exists, "it works", 30)
        with project.worker("celery -A tasks worker -c 1 -n other@%h") as other:
            screen = project.run("celery -A tasks inspect reserved")
            assert "received" not in other.screen
    words.expect_in(screen)
    for option, added in (("--disable-prefetch", ""), ("", AT_MOST_ONE)):
        redis.flushall()
        project.write("tasks.py", DEVELOP_UNTIL_FINISH + added)
        (project.folder / "lake.begun").unlink()
        with project.worker(f"celery -A tasks worker -c 1 -n busy@%h {option}") as busy:
            project.run(f'python -c "{send}"')
            busy.expect("received")
            wait_until((project.folder / "lake.begun").exists, "it works", 30)
            words.expect_gone_from(
                wait_until(partial(nothing_reserved, project), "nothing reserved", 30)
            )
            assert redis.llen("celery") == 1, "whoever is free can have it"


def test_beat_starting_in_two_places_every_tick_comes_twice(project: Project, words: Words) -> None:
    project.write("tasks.py", REPORT.replace("crontab(hour=7)", "1"))
    beat = "exec celery -A tasks beat -l INFO -s {} {}"
    with (
        project.terminal(beat.format("first", "")) as first,
        project.terminal(beat.format("second", "")) as second,
    ):
        first.expect("Scheduler: Sending due task report")
        second.expect("Scheduler: Sending due task report")
        words.expect_in(second.screen)
    one = "--pidfile=beat.pid"
    with project.terminal(beat.format("first", one)) as first:
        first.expect("Scheduler: Sending due task report")
        screen = project.run(beat.format("second", one))
    assert "already running" in screen
    words.expect_gone_from(screen)


def test_seems_were_already_running_though_no_beat_runs(project: Project, words: Words) -> None:
    project.write("tasks.py", REPORT)
    (project.folder / "beat.pid").write_text(f"{os.getpid()}\n")  # of a process, which is no beat
    beat = "exec celery -A tasks beat -l INFO --pidfile=beat.pid"
    words.expect_in(project.run(beat))
    assert "beat" not in project.run("ps -o args= -p $(cat beat.pid)")
    project.run("rm beat.pid")
    with project.terminal(beat) as terminal:
        terminal.expect("beat: Starting...")
        words.expect_gone_from(terminal.screen)


def test_crontab_begins_with_a_star_every_minute_from_seven_to_eight(
    project: Project, words: Words
) -> None:
    beat = "exec celery -A tasks beat -l DEBUG"
    project.write("tasks.py", REPORT)
    with project.terminal(beat) as terminal:
        terminal.expect_words(words)
    project.write("tasks.py", REPORT.replace("hour=7", "hour=7, minute=0"))
    with project.terminal(beat) as terminal:
        terminal.expect("<crontab: 0 7 * * * (m/h/dM/MY/d)>")
        words.expect_gone_from(terminal.screen)


def test_urgent_comes_last_though_its_priority_is_9(project: Project, words: Words) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery

        app = Celery("tasks")


        @app.task
        def write(letter):
            return letter
        """,
    )
    send = "from tasks import *; [write.apply_async([n], priority=p) for n, p in {}]"
    for letters in ({"urgent": 9, "whenever": 0}, {"urgent": 0, "whenever": 9}):
        project.run(f'python -c "{send.format(list(letters.items()))}"')
        with project.worker() as worker:
            wait_until(lambda: worker.screen.count("succeeded") == 2, "both are written", 30)
            if letters["urgent"] == 9:
                words.expect_in(worker.screen)
            else:
                words.expect_gone_from(worker.screen)
