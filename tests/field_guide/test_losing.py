"""The field guide's entries about tasks that are lost, or that can't be got rid of."""

from functools import partial

import psutil
import pytest
from redis import Redis

from tests.field_guide.guide import Words
from tests.field_guide.project import DEVELOP_UNTIL_FINISH, Project
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

CALL = "celery -A tasks call tasks.{} --args '[\"{}\"]' {}"
GET = "from tasks import *; print(app.AsyncResult('{}').get(timeout=30))"
PREFORK = "celery -A tasks worker -c 2"


def begin(project: Project, task: str, photo: str) -> str:
    """Send a task, wait until it has begun, and return its id."""
    task_id = project.run(CALL.format(task, photo, "")).strip()
    wait_until((project.folder / f"{photo}.begun").exists, f"{task} has begun", 30)
    return task_id


def result(project: Project, task_id: str) -> str:
    """Ask for a result, and return what is then on the screen."""
    return project.run(f'python -c "{GET.format(task_id)}"')


def holds(broker: Redis, unacknowledged: int) -> bool:
    """Tell whether the broker has handed out so many messages that nobody has acknowledged."""
    return broker.hlen("unacked") == unacknowledged


def test_started_for_ever(project: Project, words: Words) -> None:
    broker = Redis.from_url(project.env["CELERY_BROKER_URL"])
    code = (
        DEVELOP_UNTIL_FINISH
        + """

app.conf.task_track_started = True
app.conf.broker_transport_options = {
    "visibility_timeout": 1,  # seconds, of which there are 3600 by default
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
}
"""
    )
    ask = "python -c \"from tasks import *; print(develop.AsyncResult('{}').state)\""
    for mended in (False, True):
        project.write("tasks.py", code + f"app.conf.task_acks_late = {mended}\n")
        with project.worker(PREFORK) as worker:
            task_id = begin(project, "develop", f"lake {mended}")
            # The process that works acknowledges nothing: its parent does, a moment later.
            wait_until(partial(holds, broker, int(mended)), "acknowledged, or held back")
            worker.service.kill_tree()
        (project.folder / "finish").touch()
        with project.worker(PREFORK) as worker:
            if mended:
                worker.expect(f"Task tasks.develop[{task_id}] succeeded")
                words.expect_gone_from(project.run(ask.format(task_id)))
            else:
                other = begin(project, "develop", "dunes")
                worker.expect(f"Task tasks.develop[{other}] succeeded")
                words.expect_in(project.run(ask.format(task_id)))
        (project.folder / "finish").unlink()


def test_workerlosterror_worker_exited_prematurely_signal_9_sigkill(
    project: Project, words: Words
) -> None:
    two = DEVELOP_UNTIL_FINISH + "\n\n@app.task\ndef enlarge(photo):\n    return develop(photo)\n"
    mended = two.replace(
        "@app.task\ndef develop",
        "@app.task(retry_on_worker_lost=True, default_retry_delay=5)\ndef develop",
    ).replace(
        "@app.task\ndef enlarge",
        "@app.task(acks_late=True, reject_on_worker_lost=True)\ndef enlarge",
    )
    for code in (two, mended):
        project.write("tasks.py", code)
        with project.worker(PREFORK) as worker:
            ids = [begin(project, "develop", "lake"), begin(project, "enlarge", "dunes")]
            assert worker.service.pid
            for child in psutil.Process(worker.service.pid).children():
                child.kill()
            worker.expect("WorkerLostError")
            (project.folder / "finish").touch()
            screens = [result(project, task_id) for task_id in ids]
        for name in ("finish", "lake.begun", "dunes.begun"):
            (project.folder / name).unlink()
        if code == two:
            for screen in screens:
                words.expect_in(screen)
    for screen, done in zip(screens, ("lake is developed", "dunes is developed"), strict=True):
        assert done in screen
        words.expect_gone_from(screen)


def test_taskrevokederror_expired(project: Project, words: Words) -> None:
    project.write("tasks.py", DEVELOP_UNTIL_FINISH)
    (project.folder / "finish").touch()
    send = "from tasks import *; print(develop.apply_async(['lake'], expires={}))"
    too_short, longer = (
        project.run(f'python -c "{send.format(seconds)}"').strip() for seconds in (0.1, 3600)
    )
    with project.worker() as worker:
        words.expect_in(result(project, too_short))
        worker.expect(f"Discarding revoked task: tasks.develop[{too_short}]")
        screen = result(project, longer)
    assert "lake is developed" in screen
    words.expect_gone_from(screen)


def test_tasks_flagged_as_revoked_and_it_runs_on(project: Project, words: Words) -> None:
    project.write("tasks.py", DEVELOP_UNTIL_FINISH)
    revoke = "python -c \"from tasks import *; develop.AsyncResult('{}').revoke({})\""
    with project.worker(PREFORK) as worker:
        task_id = begin(project, "develop", "lake")
        project.run(revoke.format(task_id, ""))
        worker.expect("Tasks flagged as revoked")
        (project.folder / "finish").touch()
        worker.expect_words(words)
    (project.folder / "finish").unlink()
    with project.worker(PREFORK) as worker:
        task_id = begin(project, "develop", "dunes")
        project.run(revoke.format(task_id, "terminate=True"))
        assert "TaskRevokedError: terminated" in result(project, task_id)
        (project.folder / "finish").touch()
        after = begin(project, "develop", "aurora")
        worker.expect(f"Task tasks.develop[{after}] succeeded")
        assert f"Task tasks.develop[{task_id}] succeeded" not in worker.screen
        words.expect_gone_from(worker.screen)


PUBLISH = """
        from celery import Celery

        app = Celery("tasks")


        @app.task
        def publish(photo):
            return f"{photo} is published"
        """


def test_succeeded_though_it_was_revoked_before_the_workers_restart(
    project: Project, words: Words
) -> None:
    project.write("tasks.py", PUBLISH)
    for option in ("", "--statedb=worker.state"):
        command = f"celery -A tasks worker -P solo {option}"
        with project.worker(command) as worker:
            task_id = project.run(CALL.format("publish", "lake", "--countdown 15")).strip()
            worker.expect(f"Task tasks.publish[{task_id}] received")
            project.run(f"python -c 'from tasks import *; app.control.revoke(\"{task_id}\")'")
            worker.expect(f"Tasks flagged as revoked: {task_id}")
            worker.service.halt()
            assert "Restoring 1 unacknowledged message(s)" in worker.screen
        with project.worker(command) as worker:
            if option:
                worker.expect(f"Discarding revoked task: tasks.publish[{task_id}]")
                other = project.run(CALL.format("publish", "dunes", "")).strip()
                worker.expect(f"Task tasks.publish[{other}] succeeded")
                assert f"Task tasks.publish[{task_id}] succeeded" not in worker.screen
            else:
                worker.expect_words(words)
    lines = [line for line in worker.screen.splitlines() if task_id in line]
    words.expect_gone_from("\n".join(lines))


def test_command_not_allowed_when_used_memory__maxmemory(project: Project, words: Words) -> None:
    project.write("tasks.py", DEVELOP_UNTIL_FINISH)
    redis = Redis.from_url(project.env["CELERY_BROKER_URL"])
    send = "python -c \"from tasks import *; print(develop.delay('lake'))\""
    try:
        redis.config_set("maxmemory", 1)
        words.expect_in(project.run(send))
    finally:
        redis.config_set("maxmemory", 0)  # no limit
    screen = project.run(send)
    assert redis.llen("celery") == 1, "it waits"
    words.expect_gone_from(screen)
