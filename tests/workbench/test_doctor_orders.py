"""The doctor, of tasks: with whom each is, and what helps. Each remedy that it names is tried."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery
from redis import Redis

from tests.support.chapter_runs import need_rabbitmq
from tests.support.deployment import listen
from tests.support.doctoring import (
    OURS,
    TRIAL,
    Doctor,
    Workbench,
    do_what_it_names,
    examined,
    faults,
    running,
    worker,
)
from tests.support.waiting import wait_until
from workbench import chapter, control
from workbench.probes import free_port, is_free

pytestmark = pytest.mark.slow
MORE_TASKS = '''

@shared_task(name="tasks.hold")
def hold(path: str) -> str:
    """Go on until a file is there."""
    deadline = time.monotonic() + 90
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return path
'''
SETTINGS = """
celery_app.conf.update(
    task_track_started=True,
    broker_transport_options={"unacked_restore_throttle": 1},  # looks ten times as often
)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a chapter that has a task which goes on until it is let go."""
    folder = tmp_path_factory.mktemp("repository")
    made_up = folder / "chapters" / TRIAL
    shutil.copytree(chapter.ROOT / "tests/support/apps/trial_chapter", made_up)
    tasks, app = made_up / "lab/tasks.py", made_up / "make_celery.py"
    imports = "import time\nfrom pathlib import Path\n\nfrom celery import shared_task"
    tasks.write_text(tasks.read_text().replace("from celery import shared_task", imports))
    tasks.write_text(tasks.read_text() + MORE_TASKS)
    app.write_text(app.read_text() + SETTINGS)
    return folder


@pytest.fixture
def celery(env: dict[str, str]) -> Iterator[Celery]:
    """Return an app that orders; nothing of what it has ordered is left."""
    yield Celery(broker=env["CELERY_BROKER_URL"], backend=env["CELERY_RESULT_BACKEND"])
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        with Redis.from_url(env[name]) as connection:
            connection.flushdb()


def order(celery: Celery, name: str, *args: object) -> Any:
    """Order a task of the chapter."""
    return celery.send_task(name, args, queue="trial")


def begun(celery: Celery, path: Path) -> Any:
    """Order a task that goes on until there is a file, and wait until a worker has begun it."""
    result = order(celery, "tasks.hold", str(path))
    wait_until(lambda: result.state == "STARTED", "a worker to begin")
    return result


# --- with a worker that is gone -------------------------------------------------------------------


def test_what_a_killed_worker_had_begun_is_lost(
    doctor: Doctor, root: Path, env: dict[str, str], celery: Celery, tmp_path: Path
) -> None:
    with worker(root, env, OURS, pool="prefork --concurrency 1"):
        lost = begun(celery, tmp_path / "never")
    with worker(root, env, OURS):
        found = doctor(TRIAL, "--task", lost.id)
        assert faults(found) == ["lost", "lost"]
        assert lost.id in found[-3]["says"]
        assert "begun it, and is gone. It will never end." in found[-1]["says"]
        assert found[-1]["guide"] == "FIELD_GUIDE.md#started-for-ever"
        expect_that_giving_up_helps(doctor, lost)
        assert order(celery, "tasks.add", 1, 2).get(timeout=15) == 3


def expect_that_giving_up_helps(doctor: Doctor, lost: Any) -> None:
    """Assert that what `GIVE_UP=1` does ends the fault, and that the task's state then says why."""
    assert faults(doctor(TRIAL, GIVE_UP="1")) == []
    assert lost.state == "FAILURE"
    assert faults(doctor(TRIAL)) == []
    (of_task,) = [each for each in doctor(TRIAL, "--task", lost.id) if each["about"] == "task"]
    assert of_task["fault"] == "task-failed"
    assert "WorkerLostError: The worker that had it is gone." in of_task["says"]


def test_what_is_lost_is_found_in_a_database_too(
    doctor: Doctor, root: Path, env: dict[str, str], tmp_path: Path
) -> None:
    """And a message that the doctor has sent, and that was lost too, isn't one of yours."""
    database = {"CELERY_RESULT_BACKEND": f"db+sqlite:///{tmp_path / 'results.sqlite'}"}
    env = env | database
    celery = Celery(broker=env["CELERY_BROKER_URL"], backend=env["CELERY_RESULT_BACKEND"])
    with worker(root, env, OURS, pool="prefork --concurrency 1"):
        lost = begun(celery, tmp_path / "never")
        assert faults(doctor(TRIAL, **database)) == ["probe-lost"], "a worker has it"
    with worker(root, env, OURS):
        assert faults(doctor(TRIAL, **database)) == ["lost"]
        assert faults(doctor(TRIAL, GIVE_UP="1", **database)) == []
        assert lost.state == "FAILURE"
        assert faults(doctor(TRIAL, **database)) == []


def test_what_a_killed_worker_had_fetched_comes_back(
    doctor: Doctor, root: Path, env: dict[str, str], celery: Celery, tmp_path: Path
) -> None:
    go_on = tmp_path / "go on"
    with worker(root, env, OURS, pool="prefork --concurrency 1"):
        first = begun(celery, go_on)
        fetched = order(celery, "tasks.add", 1, 2)
        says = wait_until(lambda: reserved(doctor, fetched.id), "the worker to fetch it")
        assert re.search(r": celery@\S+ has it \(reserved\)\.$", says)
    first.forget()
    with Redis.from_url(env["CELERY_BROKER_URL"]) as broker, worker(root, env, OURS):
        found = doctor(TRIAL, "--task", fetched.id)
        assert faults(found) == ["fetched", "fetched"]
        assert re.search("in about 6[012] min at the latest", found[-1]["says"])
        assert "have it done twice" in found[-1]["says"]
        let_an_hour_pass(broker)
        assert fetched.get(timeout=30) == 3, "it came back by itself"
        assert faults(doctor(TRIAL, "--task", fetched.id)) == []


def reserved(doctor: Doctor, task_id: str) -> str:
    """Return what the doctor says of a task, if a worker has reserved it."""
    says = doctor(TRIAL, "--task", task_id)[-1]["says"]
    return says if "(reserved)" in says else ""


def let_an_hour_pass(broker: Any) -> None:
    """Have all that was fetched be fetched an hour ago."""
    for tag in broker.zrange("unacked_index", 0, -1):
        broker.zincrby("unacked_index", -3600, tag)


# --- with a worker that doesn't answer ------------------------------------------------------------


def test_a_busy_worker_isnt_nobody(
    doctor: Doctor, root: Path, env: dict[str, str], celery: Celery, tmp_path: Path
) -> None:
    go_on = tmp_path / "go on"
    with worker(root, env, OURS):
        held = begun(celery, go_on)
        found = doctor(TRIAL, "--task", held.id)
        assert faults(found) == ["worker-silent"]
        assert re.search(r"STARTED is stored; .*\(process \d+\) that doesn't", found[-1]["says"])
        with worker(root, env, f"{OURS} --hostname other@%h"):
            found = doctor(TRIAL, "--task", held.id)
            assert faults(found) == []
            assert "doesn't answer: busy" in found[-1]["says"]
            assert "doesn't answer: busy" in found[-3]["says"]
        go_on.touch()
        assert held.get(timeout=15) == str(go_on)
        assert faults(doctor(TRIAL)) == []


def test_a_worker_that_never_answers_again(
    doctor: Doctor, root: Path, env: dict[str, str], celery: Celery, tmp_path: Path
) -> None:
    with worker(root, env, OURS):
        begun(celery, tmp_path / "never")
        (finding,) = [each for each in doctor(TRIAL) if each["fault"]]
        assert finding["fault"] == "worker-silent"
        kill = finding["mend"].rpartition(": ")[2].split()
        assert kill[:2] == ["kill", "-9"]
        subprocess.run(kill, check=True)
        wait_until(lambda: faults(doctor(TRIAL)) == ["no-worker"], "it to end")


def test_a_worker_that_is_connected_from_elsewhere_isnt_nobody(
    doctor: Doctor, root: Path, env: dict[str, str], celery: Celery, tmp_path: Path
) -> None:
    """Its process can't be seen: only Redis knows that somebody listens."""
    with worker(root, env, OURS, pool="prefork --concurrency 1"):
        lost = begun(celery, tmp_path / "never")
    with Redis.from_url(env["CELERY_BROKER_URL"]) as broker, worker(root, env, OURS):
        listener = broker.pubsub()
        listener.psubscribe("/0.celery.pidbox")
        listener.get_message(timeout=5)
        found = doctor(TRIAL, "--task", lost.id)
        assert faults(found) == []
        assert "It may be with a worker elsewhere that doesn't answer" in found[-1]["says"]
        listener.close()
        assert faults(doctor(TRIAL)) == ["lost"]


def test_a_worker_that_was_stopped(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    with worker(root, env, OURS) as stopped:
        os.kill(int(stopped.pid or 0), signal.SIGSTOP)
        (finding,) = [each for each in doctor(TRIAL) if each["fault"]]
        assert finding["fault"] == "worker-stopped"
        program, flag, pid = finding["mend"].split()
        assert (program, flag) == ("kill", "-CONT")
        os.kill(int(pid), signal.SIGCONT)
        wait_until(lambda: faults(doctor(TRIAL)) == [], "the worker to go on", 30)


# --- that failed, or that never was ---------------------------------------------------------------


def test_what_a_task_has_failed_with(
    doctor: Doctor, root: Path, env: dict[str, str], celery: Celery
) -> None:
    with worker(root, env, OURS):
        renamed = order(celery, "tasks.sum", 1, 2)
        wait_until(lambda: renamed.state == "FAILURE", "it to fail")
        found = doctor(TRIAL, "--task", renamed.id)
        assert faults(found) == ["task-failed"]
        assert "FAILURE is stored: NotRegistered: 'tasks.sum'" in found[-1]["says"]
        assert found[-1]["guide"] == "FIELD_GUIDE.md#notregistered"
        right = order(celery, "tasks.add", 1, 2)
        assert right.get(timeout=15) == 3
        assert faults(doctor(TRIAL, "--task", right.id)) == []


def test_an_id_that_is_none(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    with worker(root, env, OURS):
        for wrong in ("no id", "../*", "%s\n'\"", "é" * 300):
            assert faults(doctor(TRIAL, "--task", wrong)) == ["old-result"]


# --- workers that take nothing --------------------------------------------------------------------


@pytest.fixture
def watched(root: Path, tmp_path: Path) -> Iterator[tuple[Workbench, str]]:
    """Have a run whose worker was paused in its X-ray, which somebody watches."""
    more = {"XRAY": "1", "XRAY_PORT": str(free_port())}
    with running(root, tmp_path, TRIAL, **more) as workbench:
        url = f"http://127.0.0.1:{more['XRAY_PORT']}"
        wait_until(lambda: not is_free(int(more["XRAY_PORT"])), "the X-ray")
        with listen(url) as facts:
            told = wait_until(
                lambda: [each for each in facts if each["of"] == "worker" and each["alive"]],
                "a worker to be seen",
            )
            control_worker(url, "pause", told[0]["worker"])
            yield workbench, url


def control_worker(url: str, do: str, name: str) -> None:
    """Press a button of the X-ray."""
    answer = httpx.post(f"{url}/controls", json={"do": do, "worker": name}, timeout=20)
    assert answer.status_code == 202


def paused(workbench: Workbench) -> dict[str, str]:
    """Return what the doctor says of a worker that is paused, once it is."""

    def seen() -> dict[str, str]:
        last = examined(workbench)[-1]
        return last if last["fault"] == "paused" else {}

    return wait_until(seen, "the pause to be seen", 40)


def test_a_worker_that_is_paused_in_the_xray(watched: tuple[Workbench, str]) -> None:
    workbench, url = watched
    mend = paused(workbench)["mend"]
    found = re.fullmatch(r"press Resume at (\S+) in (\S+)", mend)
    assert found, mend
    assert found[2] == url
    control_worker(url, "resume", found[1])
    assert faults(examined(workbench)) == []


def test_a_worker_that_an_xray_has_left_paused(watched: tuple[Workbench, str]) -> None:
    workbench, _url = watched
    workbench("kill", "xray")
    finding = paused(workbench)
    assert "That X-ray isn't there any more." in finding["says"]
    do_what_it_names(workbench, finding)
    assert faults(examined(workbench)) == []


def test_with_rabbitmq_a_worker_that_takes_nothing_and_an_order_that_is_lost(
    root: Path, tmp_path: Path
) -> None:
    need_rabbitmq()
    with running(root, tmp_path, TRIAL, "--broker", "rabbitmq") as workbench:
        (address,) = control.runs(tmp_path / "runs")
        broker, backend = (address.env[f"CELERY_{of}"] for of in ("BROKER_URL", "RESULT_BACKEND"))
        celery = Celery(broker=broker, backend=backend)
        celery.control.cancel_consumer("trial", reply=True)
        finding = wait_until(lambda: examined(workbench)[-1], "the doctor")
        assert finding["fault"] == "takes-nothing"
        do_what_it_names(workbench, finding)
        assert faults(examined(workbench)) == []
        lost = begun(celery, tmp_path / "never")
        workbench("kill", "worker")
        workbench("start", "worker")
        assert faults(examined(workbench, "--task", lost.id)) == ["lost", "lost"]
        assert faults(examined(workbench, "--give-up")) == []
        assert faults(examined(workbench)) == []


# --- addresses that nobody has set ----------------------------------------------------------------


def test_a_result_backend_that_nobody_has_set(
    doctor: Doctor, root: Path, env: dict[str, str], tmp_path: Path
) -> None:
    """A chapter has a default, where nothing listens: then there is nothing to unset."""
    shutil.copytree(root / "chapters", tmp_path / "chapters")
    app = tmp_path / "chapters" / TRIAL / "make_celery.py"
    default = f'\ncelery_app.conf.result_backend = "redis://localhost:{free_port()}/1"\n'
    app.write_text(app.read_text() + default)
    del env["CELERY_RESULT_BACKEND"]
    (finding,) = [each for each in doctor(TRIAL, WORKBENCH_ROOT=str(tmp_path)) if each["fault"]]
    assert finding["fault"] == "backend-down"
    assert "(the chapter's default: CELERY_RESULT_BACKEND isn't set)" in finding["says"]
    export, setting, *_where = finding["mend"].split()
    assert export == "export"
    name, _, url = setting.partition("=")
    os.utime(app, (time.time() - 60, time.time() - 60))
    with worker(tmp_path, env, OURS, **{name: url}):
        assert faults(doctor(TRIAL, WORKBENCH_ROOT=str(tmp_path), **{name: url})) == []


def test_a_broker_that_nobody_has_set(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    """`make redis` is what helps, and names what to export."""
    del env["CELERY_BROKER_URL"]
    app = root / "chapters" / TRIAL / "make_celery.py"
    before = app.read_text()
    app.write_text(f'{before}\ncelery_app.conf.broker_url = "redi://localhost/0"\n')
    finding = doctor(TRIAL)[-1]
    app.write_text(before)
    assert finding["fault"] == "broker-url"
    assert "isn't set" in finding["says"]
    assert finding["mend"].startswith("make redis REDIS_PORT=")
