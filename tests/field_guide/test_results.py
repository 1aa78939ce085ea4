"""The field guide's entries about results that don't come."""

import pytest
from redis import Redis

from tests.field_guide.guide import Words
from tests.field_guide.project import DEVELOP, Project
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

CALL = "celery -A tasks call tasks.develop --args '[\"lake\"]'"
ASK = "from tasks import *; print(develop.AsyncResult('{}').state)"


def state(project: Project, task_id: str) -> str:
    """Ask for a state, in a process of its own."""
    return project.run(f'python -c "{ASK.format(task_id)}"')


ORDERS = """
        import os
        import uuid

        from redis import Redis

        from tasks import develop

        redis = Redis.from_url(os.environ["CELERY_BROKER_URL"], decode_responses=True)


        def order(photo):
            task_id = str(uuid.uuid4())
            redis.sadd("orders", task_id)
            develop.apply_async([photo], task_id=task_id)
            return task_id


        def state(task_id):
            if not redis.sismember("orders", task_id):
                return "404: there is no such order"
            return develop.AsyncResult(task_id).state
        """


def test_pending_though_nobody_issued_the_id(project: Project, words: Words) -> None:
    project.write("tasks.py", DEVELOP)
    words.expect_in(state(project, "made-up"))
    project.write("orders.py", ORDERS)
    words.expect_gone_from(
        project.run("python -c \"from orders import *; print(state('made-up'))\"")
    )
    ours = project.run("python -c \"from orders import *; print(state(order('lake')))\"")
    assert ours == "PENDING\n", "that is the state of an order that waits"


def test_pending_though_the_workers_log_says_succeeded(project: Project, words: Words) -> None:
    code = DEVELOP + "\n\napp.conf.task_ignore_result = True\n"
    for mended in (False, True):
        if mended:
            code = code.replace("@app.task", "@app.task(ignore_result=False)")
        project.write("tasks.py", code)
        with project.worker() as worker:
            task_id = project.run(CALL).strip()
            worker.expect("succeeded")
        if not mended:
            words.expect_in(state(project, task_id))
    words.expect_gone_from(state(project, task_id))


def test_pending_again_after_a_day(project: Project, words: Words) -> None:
    backend = Redis.from_url(project.env["CELERY_RESULT_BACKEND"])
    project.write("tasks.py", DEVELOP + "\n\napp.conf.result_expires = 1  # second\n")
    with project.worker() as worker:
        task_id = project.run(CALL).strip()
        worker.expect("succeeded")
        key = f"celery-task-meta-{task_id}"
        wait_until(lambda: not backend.exists(key), "the result has expired")
    words.expect_in(state(project, task_id))
    project.write("tasks.py", DEVELOP + "\n\napp.conf.result_expires = 7 * 86400\n")
    with project.worker() as worker:
        task_id = project.run(CALL).strip()
        worker.expect("succeeded")
    kept = backend.ttl(f"celery-task-meta-{task_id}")
    assert isinstance(kept, int)
    assert kept > 6 * 86400
    words.expect_gone_from(state(project, task_id))


def test_pending_in_another_process_or_request_with_rpc(project: Project, words: Words) -> None:
    project.write("tasks.py", DEVELOP)
    redis_backend = project.env["CELERY_RESULT_BACKEND"]
    for backend in ("rpc://", redis_backend):
        project.env["CELERY_RESULT_BACKEND"] = backend
        with project.worker() as worker:
            task_id = project.run(CALL).strip()
            worker.expect("succeeded")
        if backend == "rpc://":
            words.expect_in(state(project, task_id))
    words.expect_gone_from(state(project, task_id))


def test_timeouterror_the_operation_timed_out(project: Project, words: Words) -> None:
    routes = '\n\napp.conf.task_routes = {"tasks.develop": "prints"}\n'
    project.write("tasks.py", DEVELOP + routes)
    wait = "python -c \"from tasks import *; print(develop.delay('lake').get(timeout={}))\""
    with project.worker():
        words.expect_in(project.run(wait.format(1)))
    with project.worker("celery -A tasks worker -P solo -Q celery,prints"):
        screen = project.run(wait.format(30))
    assert "lake is developed" in screen
    words.expect_gone_from(screen)


TEST_WITH_EAGER = """
        from tasks import app


        def test_a_photo_is_developed():
            app.conf.task_always_eager = True
            result = app.send_task("tasks.develop", ["lake"])
            assert result.get(timeout=1) == "lake is developed"
        """
TEST_WITH_WORKER = """
        from celery.contrib.testing.worker import start_worker
        from tasks import app


        def test_a_photo_is_developed():
            with start_worker(app, perform_ping_check=False):
                result = app.send_task("tasks.develop", ["lake"])
                assert result.get(timeout=30) == "lake is developed"
        """


def test_alwayseagerignored_task_always_eager_has_no_effect_on_send_task(
    project: Project, words: Words
) -> None:
    project.write("tasks.py", DEVELOP)
    project.write("test_eager.py", TEST_WITH_EAGER)
    project.write("test_worker.py", TEST_WITH_WORKER)
    screen = project.run("pytest test_eager.py", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "1 failed" in screen
    words.expect_in(screen)
    Redis.from_url(project.env["CELERY_BROKER_URL"]).flushall()
    screen = project.run("pytest test_worker.py", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "1 passed" in screen
    words.expect_gone_from(screen)
