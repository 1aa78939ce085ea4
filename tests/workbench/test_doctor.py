"""The doctor: every fault that it names is brought about alone, on real servers, and told apart."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from redis import Redis

from tests.field_guide.guide import entries
from tests.support.doctoring import (
    OTHER,
    OURS,
    TRIAL,
    Doctor,
    faults,
    running,
    serving_http,
    worker,
)
from tests.support.waiting import wait_until
from workbench.doctor.findings import ERRORS, GUIDE
from workbench.probes import free_port

pytestmark = pytest.mark.slow


# --- all is well ----------------------------------------------------------------------------------


def test_where_all_is_well_it_says_so_and_how_long_each_leg_takes(
    doctor: Doctor, root: Path, env: dict[str, str]
) -> None:
    with worker(root, env, OURS):
        found = doctor(TRIAL)
    assert faults(found) == []
    abouts = [finding["about"] for finding in found]
    assert abouts == [
        "machine",
        "environment",
        "page",
        "app",
        "broker",
        "backend",
        "workers",
        "orders",
        "probe",
    ]
    assert all(word in found[-1]["says"] for word in ("to the broker", "by a worker", "back", "ms"))


@pytest.mark.parametrize("pair", [("redis", "database"), ("rabbitmq", "redis")], ids="-".join)
def test_it_examines_what_make_run_has_started_on_any_servers(
    root: Path, tmp_path: Path, pair: tuple[str, str]
) -> None:
    with running(root, tmp_path, TRIAL, "--broker", pair[0], "--backend", pair[1]) as workbench:
        well = workbench("doctor")
        assert well.returncode == 0, well.stdout
        assert well.stdout.startswith(f"Looking at {TRIAL} (runs):\n\n✓ machine: ")
        workbench("stop", "worker")
        ill = workbench("doctor")
        assert ill.returncode == 1
        assert "✗ workers: None answers: what you order waits in the queue.\n" in ill.stdout
        assert "  Do: python -m workbench start worker\n" in ill.stdout


def test_what_a_worker_holds_for_hours_stays_with_it(
    doctor: Doctor, root: Path, env: dict[str, str]
) -> None:
    """Its app allows tasks a day; who asks workers has Redis' hour, and could put them back."""
    patient = root / "chapters" / TRIAL / "patient.py"
    patient.write_text(
        "from make_celery import celery_app\n"
        "celery_app.conf.broker_transport_options = {'visibility_timeout': 24 * 3600}\n"
    )
    long_ago = time.time() - 2 * 3600
    os.utime(patient, (long_ago, long_ago))
    with Redis.from_url(env["CELERY_BROKER_URL"], decode_responses=True) as broker:
        Celery(broker=env["CELERY_BROKER_URL"]).send_task("tasks.add", [1, 2], queue="held")
        held = {"a tag": json.dumps([json.loads(str(broker.rpop("held"))), "", "held"])}
        broker.hset("unacked", mapping=held)
        broker.zadd("unacked_index", {"a tag": long_ago})
        try:
            with worker(root, env, "celery -A patient:celery_app worker"):
                assert broker.hgetall("unacked") == held, "waiting for it took nothing"
                found = doctor(TRIAL, "--task", str(uuid4()))
                assert faults(found) == ["fetched", "old-result"], "nobody has what is held"
                assert broker.hgetall("unacked") == held
            assert faults(doctor(TRIAL)) == ["no-worker"]
            assert broker.hgetall("unacked") == held
            assert broker.zrange("unacked_index", 0, -1) == ["a tag"]
            assert not list(broker.scan_iter("xray*")), "the doctor leaves no keys of its own"
        finally:
            patient.unlink()
            broker.delete("unacked", "unacked_index", "held", "_kombu.binding.held")


# --- before anything runs -------------------------------------------------------------------------


def test_something_that_isnt_installed(doctor: Doctor, root: Path, tmp_path: Path) -> None:
    poor = tmp_path / "chapters/09_poor"
    poor.mkdir(parents=True)
    (poor / "Procfile").write_text("worker: celery -A tasks worker\n")
    (poor / "requirements.txt").write_text("elephants>=2\n")
    found = doctor("09", WORKBENCH_ROOT=str(tmp_path))
    assert faults(found) == ["requirements"]
    assert "elephants is missing, 09_poor needs elephants>=2." in found[-1]["says"]


def test_code_that_cant_be_imported(doctor: Doctor, root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "chapters", tmp_path / "chapters")
    tasks = tmp_path / "chapters" / TRIAL / "lab/tasks.py"
    tasks.write_text(tasks.read_text().replace("import shared_task", "import shared_tusk"))
    found = doctor(TRIAL, WORKBENCH_ROOT=str(tmp_path))
    assert faults(found) == ["app-broken"]
    assert "cannot import name 'shared_tusk'" in found[-1]["says"]
    assert "lab/tasks.py" in found[-1]["says"]


def test_a_port_that_is_taken(doctor: Doctor, env: dict[str, str], root: Path) -> None:
    with serving_http(int(env["PORT"])), worker(root, env, OURS):
        found = doctor(TRIAL)
    assert faults(found) == ["port-taken"]
    assert found[-1]["about"] == "probe", "the rest was examined all the same"


# --- the broker, the backend ----------------------------------------------------------------------


@pytest.mark.parametrize("url", ["redi://localhost:6379/0", "redis://localhost:port/0"])
def test_an_address_of_no_broker(doctor: Doctor, url: str) -> None:
    assert faults(doctor(TRIAL, "--broker", url)) == ["broker-url"]


def test_a_broker_that_wants_a_password(doctor: Doctor, redis: str) -> None:
    with Redis.from_url(redis) as connection:
        connection.config_set("requirepass", "a secret")
        try:
            assert faults(doctor(TRIAL)) == ["broker-login"]
        finally:
            connection.config_set("requirepass", "")


def test_no_broker(doctor: Doctor) -> None:
    found = faults(doctor(TRIAL, "--broker", f"redis://127.0.0.1:{free_port()}/0"))
    assert found in (["no-broker"], ["wrong-port"]), "the second where a Redis has its usual port"


def test_another_port_than_that_of_a_broker_that_runs(
    doctor: Doctor, root: Path, env: dict[str, str]
) -> None:
    """Another chapter runs: its broker is where the learner meant to go."""
    with running(root, Path(env["WORKBENCH_VAR"]), OTHER):
        found = doctor(TRIAL, "--broker", f"redis://127.0.0.1:{free_port()}/0")
    assert faults(found) == ["wrong-port"]
    assert "a broker answers at redis://127.0.0.1:" in found[-1]["says"]


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_server_that_is_no_broker(doctor: Doctor, scheme: str) -> None:
    port = free_port()
    with serving_http(port):
        found = doctor(TRIAL, "--broker", f"{scheme}://127.0.0.1:{port}/")
    assert faults(found) == ["not-a-broker"]


def test_a_broker_without_memory_for_another_message(
    doctor: Doctor, root: Path, env: dict[str, str], redis: str
) -> None:
    with Redis.from_url(redis) as connection, worker(root, env, OURS):
        connection.config_set("maxmemory", 1)
        try:
            assert faults(doctor(TRIAL)) == ["broker-full"]
        finally:
            connection.config_set("maxmemory", 0)


def test_a_broker_that_answers_and_refuses_the_rest(doctor: Doctor, redis: str) -> None:
    """Redis knows users who may do no more than ask whether it is there."""
    with Redis.from_url(redis) as connection:
        connection.acl_setuser(
            "guest", enabled=True, passwords=["+secret"], commands=["+ping", "+select", "+client"]
        )
        try:
            url = redis.replace("//", "//guest:secret@") + "/0"
            assert faults(doctor(TRIAL, "--broker", url)) == ["refused"]
        finally:
            connection.acl_deluser("guest")


def test_no_result_backend(doctor: Doctor) -> None:
    assert faults(doctor(TRIAL, CELERY_RESULT_BACKEND="disabled://")) == ["no-backend"]


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{port}/1", "db+sqlite:////no/such/folder/x"])
def test_a_result_backend_that_is_down(doctor: Doctor, url: str) -> None:
    url = url.format(port=free_port())
    assert faults(doctor(TRIAL, CELERY_RESULT_BACKEND=url)) == ["backend-down"]


# --- the workers ----------------------------------------------------------------------------------


def test_no_worker(doctor: Doctor) -> None:
    assert faults(doctor(TRIAL)) == ["no-worker"]


def test_a_worker_on_another_broker(
    doctor: Doctor, root: Path, env: dict[str, str], redis: str
) -> None:
    with worker(root, env, OURS, CELERY_BROKER_URL=f"{redis}/5"):
        found = doctor(TRIAL)
    assert faults(found) == ["worker-elsewhere"]
    assert f"{redis}/5" in found[-1]["says"]


def test_a_worker_on_another_queue(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    with worker(root, env, f"{OURS} --queues post"):
        assert faults(doctor(TRIAL)) == ["other-queue"]


def test_a_worker_of_another_app(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    with worker(root, env, "celery worker --queues trial"):
        assert faults(doctor(TRIAL)) == ["other-app"]


def test_a_worker_that_lacks_a_task(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    less = root / "chapters" / TRIAL / "less.py"
    less.write_text(
        "from make_celery import celery_app\n"
        "celery_app.loader.import_default_modules()\n"
        "del celery_app.tasks['tasks.add']\n"
    )
    long_ago = time.time() - 3600
    os.utime(less, (long_ago, long_ago))
    try:
        with worker(root, env, "celery -A less:celery_app worker"):
            found = doctor(TRIAL)
    finally:
        less.unlink()
    assert faults(found) == ["unregistered"]
    assert found[-1]["says"].endswith("doesn't know tasks.add.")


def test_a_worker_with_old_code(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    tasks = root / "chapters" / TRIAL / "lab/tasks.py"
    with worker(root, env, OURS):
        soon = time.time() + 1
        os.utime(tasks, (soon, soon))
        found = faults(doctor(TRIAL))
        os.utime(tasks, (soon - 3600, soon - 3600))
        assert found == ["old-worker"]
        assert faults(doctor(TRIAL)) == []


def test_a_worker_that_writes_results_elsewhere(
    doctor: Doctor, root: Path, env: dict[str, str], redis: str
) -> None:
    with worker(root, env, OURS, CELERY_RESULT_BACKEND=f"{redis}/6"):
        assert faults(doctor(TRIAL)) == ["other-backend"]


def test_workers_that_never_come_to_it(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    """The worker answers questions; its only process, which does the tasks, stands still."""
    with worker(root, env, OURS, pool="prefork --concurrency 1") as busy:
        (child,) = [one for one in busy.process_tree() if one.ppid() == busy.pid]
        child.suspend()
        try:
            assert faults(doctor(TRIAL)) == ["probe-lost"]
        finally:
            child.resume()


# --- where to read on -----------------------------------------------------------------------------


def test_it_points_to_entries_of_the_field_guide() -> None:
    named = {*GUIDE.values(), *ERRORS.values()}
    assert named <= {entry.slug for entry in entries().values()}


def test_a_fault_comes_with_the_place_where_it_is_explained(doctor: Doctor, root: Path) -> None:
    assert doctor(TRIAL)[-1]["guide"] == f"FIELD_GUIDE.md#{GUIDE['no-worker']}"
    words = [sys.executable, "-m", "workbench", "doctor", TRIAL]
    env = os.environ | {"WORKBENCH_ROOT": str(root)}
    env |= {"CELERY_RESULT_BACKEND": "redis://127.0.0.1:1/1"}
    said = subprocess.run(words, env=env, capture_output=True, text=True, check=False).stdout
    assert re.search(r"\n  Do: .+\n(  Why: FIELD_GUIDE.md#\S+\n)?$", said)


# --- one task -------------------------------------------------------------------------------------


def test_a_task_is_found_wherever_it_is(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    celery = Celery(broker=env["CELERY_BROKER_URL"], backend=env["CELERY_RESULT_BACKEND"])

    def says(task_id: str) -> dict[str, Any]:
        return doctor(TRIAL, "--task", task_id)[-1]

    with worker(root, env, OURS):
        done = celery.send_task("tasks.add", [1, 2], queue="trial")
        done.get(timeout=30)
        assert says(done.id)["says"] == f"{done.id}: SUCCESS is stored."
        done.forget()
        assert says(done.id)["fault"] == "old-result"
        assert "results are kept for 24 hours" in says(done.id)["says"]
        later = celery.send_task("tasks.add", [1, 2], queue="trial", countdown=600)
        wait_until(lambda: "has it (scheduled)" in says(later.id)["says"], "the worker to hold it")
        celery.control.revoke(later.id)
