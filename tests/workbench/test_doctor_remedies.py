"""Each remedy that the doctor names is typed as it stands; then the fault is gone."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis

from tests.support.chapter_runs import private_redis
from tests.support.doctoring import (
    OURS,
    TRIAL,
    Doctor,
    do_what_it_names,
    examined,
    faults,
    running,
    serving_http,
    worker,
)
from tests.support.waiting import wait_until
from workbench import chapter
from workbench.probes import free_port, is_free

pytestmark = pytest.mark.slow

DOCTOR = f"python -m workbench doctor --json {TRIAL}"


def commands(remedy: str) -> str:
    """Return what a remedy has to type; what it says in brackets is for a person."""
    return re.sub(r" ?\((Ctrl-C|in|it) [^)]*\) ?", "", remedy)


def mend(findings: list[dict[str, str]], fault: str) -> str:
    """Return the remedy of the only fault, which must be this one."""
    assert faults(findings) == [fault]
    return next(finding["mend"] for finding in findings if finding["fault"])


def faults_after(remedy: str, env: dict[str, str], cwd: Path = chapter.ROOT) -> list[str]:
    """Type a remedy in a shell; return the faults that the doctor then finds in this shell."""
    typed = commands(remedy)
    if "make doctor" not in typed:
        typed += f"\ncd {chapter.ROOT}\n{DOCTOR}"
    for_make = {"CHAPTER": TRIAL, "JSON": "1"}
    done = subprocess.run(
        ["bash", "-c", typed],
        cwd=cwd,
        env=os.environ | env | for_make,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.stdout.startswith("["), done.stdout + done.stderr
    return faults(json.loads(done.stdout))


@contextlib.contextmanager
def typed(remedy: str, env: dict[str, str], cwd: Path = chapter.ROOT) -> Iterator[str]:
    """Type a remedy that starts something and stays; end it after the block. Give its log."""
    log = Path(env["LAB_DIR"]) / f"{time.monotonic_ns()}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            ["bash", "-c", commands(remedy)],
            cwd=cwd,
            env=os.environ | env | {"CHAPTER": TRIAL},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        yield str(log)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def expect_cured(doctor: Doctor, *words: str, **more: str) -> None:
    """Assert that the doctor finds nothing any more, as soon as what was started is ready."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: faults(doctor(TRIAL, *words, **more)) == [], "no fault to be left", 60)
    assert faults(doctor(TRIAL, *words, **more)) == []


# --- before anything runs -------------------------------------------------------------------------


@pytest.mark.timeout(400)  # two environments are made
def test_requirements(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", chapter.ROOT, clone], check=True)
    env = os.environ | {"PORT": str(free_port()), "XRAY": "0", "JSON": "1"}

    def examine() -> list[dict[str, str]]:
        done = subprocess.run(
            ["make", "-s", "doctor"], cwd=clone, env=env, stdout=subprocess.PIPE, check=False
        )
        found: list[dict[str, str]] = json.loads(done.stdout[done.stdout.index(b"[\n") :])
        return found

    examine()  # installs what is needed
    pip = [str(clone / ".venv/bin/python"), "-m", "pip", "uninstall", "-q", "-y", "pillow"]
    subprocess.run(pip, check=True)
    remedy = mend(examine(), "requirements")
    with subprocess.Popen(
        ["bash", "-c", remedy], cwd=clone, env=env, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        assert any(line.startswith("Ready") for line in run.stdout)
        assert faults(examine()) == []
        for child in psutil.Process(run.pid).children(recursive=True):
            if "workbench" in child.cmdline():
                child.send_signal(signal.SIGINT)
                break
        run.communicate(timeout=30)


def test_app_broken(doctor: Doctor, root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "chapters", tmp_path / "chapters")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "As it was"]):
        subprocess.run([*git, *words], check=True)
    tasks = tmp_path / "chapters" / TRIAL / "lab/tasks.py"
    tasks.write_text(tasks.read_text().replace("import shared_task", "import shared_tusk"))

    remedy = mend(doctor(TRIAL, WORKBENCH_ROOT=str(tmp_path)), "app-broken")
    show = remedy.removeprefix("undo what this shows: ")
    shown = subprocess.run(show.split(), cwd=tmp_path, stdout=subprocess.PIPE, check=True).stdout
    assert b"\n+from celery import shared_tusk" in shown
    subprocess.run([*git, "apply", "--reverse"], input=shown, check=True)
    assert faults(doctor(TRIAL, WORKBENCH_ROOT=str(tmp_path))) == ["no-worker"]


def test_port_taken(doctor: Doctor, env: dict[str, str]) -> None:
    with serving_http(int(env["PORT"])):
        found = doctor(TRIAL)
        assert faults(found) == ["port-taken", "no-worker"]
        remedy = next(finding["mend"] for finding in found if finding["fault"] == "port-taken")
        free = remedy.removeprefix("make run PORT=")
        assert is_free(int(free))
        with typed(remedy, env):
            wait_until(lambda: not is_free(int(free)), "the page", 60)
            expect_cured(doctor, PORT=free)


# --- the broker's address -------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["redi://localhost/0", "redis://127.0.0.1:{other}/0"])
def test_an_address_that_the_doctor_was_given(
    doctor: Doctor, root: Path, env: dict[str, str], url: str
) -> None:
    with serving_http(port := free_port()), worker(root, env, OURS):
        given = {"BROKER_URL": url.format(other=port)}
        found = doctor(TRIAL, **given)
        (fault,) = faults(found)
        assert fault in ("broker-url", "not-a-broker")
        assert faults_after(mend(found, fault), env | given) == []


def test_an_address_that_somebody_has_set(
    doctor: Doctor, root: Path, env: dict[str, str], tmp_path: Path
) -> None:
    """The chapter's default is right here."""
    add_default(root, tmp_path, "broker_url", env["CELERY_BROKER_URL"])
    with worker(tmp_path, env, OURS):
        wrong = {"CELERY_BROKER_URL": "redi://localhost/0", "WORKBENCH_ROOT": str(tmp_path)}
        remedy = mend(doctor(TRIAL, **wrong), "broker-url")
        assert remedy == "unset CELERY_BROKER_URL"
        assert faults_after(remedy, env | wrong) == []


def add_default(root: Path, folder: Path, setting: str, value: str) -> None:
    """Copy the chapters into a folder, where the trial's app has one setting more."""
    shutil.copytree(root / "chapters", folder / "chapters")
    app = folder / "chapters" / TRIAL / "make_celery.py"
    app.write_text(app.read_text() + f"\ncelery_app.conf.{setting} = {value!r}\n")
    os.utime(app, (time.time() - 60, time.time() - 60))  # or a worker would have old code


def test_login(doctor: Doctor, root: Path, env: dict[str, str], redis: str) -> None:
    """Somebody has set an address without the password; the chapter's default has it."""
    wrong = {"CELERY_BROKER_URL": redis.replace("//", "//nobody:guess@") + "/0"}
    remedy = mend(doctor(TRIAL, **wrong), "broker-login")
    assert remedy == "unset CELERY_BROKER_URL"
    assert "broker-login" not in faults_after(remedy, env | wrong)


def test_a_broker_at_another_port(
    doctor: Doctor, root: Path, env: dict[str, str], tmp_path: Path
) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    with running(root, Path(env["WORKBENCH_VAR"]), TRIAL):
        right = {"WORKBENCH_VAR": str(tmp_path / "elsewhere")}
        given = doctor("02", BROKER_URL=nobody)
        assert "wrong-port" not in faults_after(mend(given, "wrong-port"), env | right)
        is_set = doctor("02", CELERY_BROKER_URL=nobody)
        remedy = mend(is_set, "wrong-port")
        assert remedy.startswith("export CELERY_BROKER_URL=")
        assert "wrong-port" not in faults_after(remedy, env | {"CELERY_BROKER_URL": nobody})


# --- no broker ------------------------------------------------------------------------------------


def test_no_broker_and_nothing_runs(
    doctor: Doctor, root: Path, env: dict[str, str], tmp_path: Path
) -> None:
    add_default(root, tmp_path, "broker_url", f"redis://127.0.0.1:{free_port()}/0")
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        del env[name]
    there = {"WORKBENCH_ROOT": str(tmp_path)}
    remedy = mend(doctor(TRIAL, **there), "no-broker")
    assert remedy == f"make run CHAPTER={TRIAL[:2]}"
    with typed(remedy, env | there):
        expect_cured(doctor, **there)


def test_no_broker_for_a_page_that_was_started_by_hand(
    doctor: Doctor, root: Path, env: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    add_default(root, tmp_path, "broker_url", f"redis://127.0.0.1:{port}/0")
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        del env[name]
    env["WORKBENCH_ROOT"] = str(tmp_path)
    page = f"cd chapters/{TRIAL} && exec flask --app web run --port {env['PORT']}"
    with typed(page, env, tmp_path):
        wait_until(lambda: not is_free(int(env["PORT"])), "the page")
        remedy = mend(doctor(TRIAL), "no-broker")
        assert remedy == f"make redis REDIS_PORT={port}"
        with typed(remedy, env):
            wait_until(lambda: not is_free(port), "the Redis", 60)
            assert faults(doctor(TRIAL)) == ["no-backend"], "it answers"


def test_a_server_of_the_run_that_was_stopped(root: Path, tmp_path: Path) -> None:
    with running(root, tmp_path, TRIAL) as workbench:
        workbench("stop", "broker")
        finding = examined(workbench)[-1]
        assert finding["fault"] == "no-broker"
        do_what_it_names(workbench, finding)
        wait_until(lambda: faults(examined(workbench)) == [], "the worker to be back", 60)


def test_a_result_backend_of_the_run_that_was_stopped(
    root: Path, tmp_path: Path, redis: str
) -> None:
    with running(root, tmp_path, TRIAL, CELERY_BROKER_URL=f"{redis}/4") as workbench:
        workbench("stop", "backend")
        finding = examined(workbench)[-1]
        assert finding["fault"] == "backend-down"
        do_what_it_names(workbench, finding)
        wait_until(lambda: faults(examined(workbench)) == [], "the worker to be back", 60)


def test_a_broker_that_isnt_the_runs_own(
    root: Path, tmp_path: Path, env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    servers = private_redis(tmp_path_factory)
    broker = f"{next(servers)}/0"
    with running(root, tmp_path, TRIAL, CELERY_BROKER_URL=broker) as workbench:
        servers.close()  # type: ignore[attr-defined]  # a generator: this ends its Redis
        finding = examined(workbench)[-1]
        assert finding["fault"] == "no-broker"
    interrupt, _, remedy = finding["mend"].partition(") ")
    assert interrupt == "(Ctrl-C in the terminal of make run"
    var = {"WORKBENCH_VAR": str(tmp_path), "CELERY_BROKER_URL": broker}
    with typed(remedy, env | var):
        wait_until(lambda: faults(examined(workbench)) == [], "the new run", 60)


# --- a broker that refuses, a backend -------------------------------------------------------------


def test_broker_full(doctor: Doctor, root: Path, env: dict[str, str], redis: str) -> None:
    with Redis.from_url(redis) as connection, worker(root, env, OURS):
        connection.config_set("maxmemory", 1)
        try:
            remedy = mend(doctor(TRIAL), "broker-full")
            subprocess.run(["bash", "-c", remedy], env=env, check=True)
            assert faults(doctor(TRIAL)) == []
        finally:
            connection.config_set("maxmemory", 0)


def test_a_user_who_may_too_little(
    doctor: Doctor, root: Path, env: dict[str, str], redis: str
) -> None:
    url = redis.replace("//", "//guest:secret@") + "/0"
    with Redis.from_url(redis) as connection, worker(root, env, OURS):
        rights = {"enabled": True, "passwords": ["+secret"], "keys": ["*"], "channels": ["*"]}
        connection.acl_setuser("guest", **rights, commands=["+ping", "+select", "+client"])
        try:
            remedy = mend(doctor(TRIAL, "--broker", url), "refused")
            assert remedy == "give this user of the Redis the rights it lacks"
            connection.acl_setuser("guest", **rights, categories=["+@all"])
            assert faults(doctor(TRIAL, "--broker", url)) == []
        finally:
            connection.acl_deluser("guest")


def test_no_result_backend(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    """First one is set that is down; without it there is none; then the doctor names one."""
    down = {"CELERY_RESULT_BACKEND": f"redis://127.0.0.1:{free_port()}/1"}
    remedy = mend(doctor(TRIAL, **down), "backend-down")
    assert faults_after(remedy, env | down) == ["no-backend"]
    none = {"CELERY_RESULT_BACKEND": "disabled://"}
    remedy = mend(doctor(TRIAL, **none), "no-backend")
    name, _, value = commands(remedy).removeprefix("export ").partition("=")
    with worker(root, env, OURS, **{name: value}):
        assert faults_after(remedy, env | none) == []


# --- the workers ----------------------------------------------------------------------------------


def test_no_worker(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    with typed(mend(doctor(TRIAL), "no-worker"), env, root):
        expect_cured(doctor)


def test_worker_elsewhere(doctor: Doctor, root: Path, env: dict[str, str], redis: str) -> None:
    with worker(root, env, OURS, CELERY_BROKER_URL=f"{redis}/5"):
        remedy = mend(doctor(TRIAL), "worker-elsewhere")
        with typed(remedy, env, root):
            expect_cured(doctor)


def test_other_queue(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    with worker(root, env, f"{OURS} --queues post --hostname post@%h"):
        remedy = mend(doctor(TRIAL), "other-queue")
        with typed(remedy, env, root):
            expect_cured(doctor)


def test_another_queue_in_a_run(root: Path, tmp_path: Path) -> None:
    """The app's queue was changed, and the worker still takes from the old one."""
    shutil.copytree(root / "chapters", tmp_path / "chapters")
    app = tmp_path / "chapters" / TRIAL / "make_celery.py"
    with running(tmp_path, tmp_path / "var", TRIAL) as workbench:
        app.write_text(app.read_text().replace('"trial"', '"renamed"', 2))
        finding = examined(workbench)[-1]
        assert finding["fault"] == "other-queue"
        do_what_it_names(workbench, finding)
        assert faults(examined(workbench)) == []


def test_other_app(doctor: Doctor, root: Path, env: dict[str, str]) -> None:
    with worker(root, env, "celery worker --queues trial"):
        remedy = mend(doctor(TRIAL), "other-app")
        subprocess.run(remedy.split(), check=True)
        wait_until(lambda: faults(doctor(TRIAL)) == ["no-worker"], "it to end")


@pytest.mark.parametrize("fault", ["old-worker", "unregistered"])
def test_old_code(
    doctor: Doctor, root: Path, env: dict[str, str], tmp_path: Path, fault: str
) -> None:
    shutil.copytree(root / "chapters", tmp_path / "chapters")
    env["WORKBENCH_ROOT"] = str(tmp_path)
    tasks = tmp_path / "chapters" / TRIAL / "lab/tasks.py"
    before = tasks.read_text()
    if fault == "unregistered":
        tasks.write_text(before.replace('"tasks.add"', '"tasks.sum"'))
    with worker(tmp_path, env, OURS):
        tasks.write_text(before)
        changed = time.time() + (1 if fault == "old-worker" else -60)
        os.utime(tasks, (changed, changed))
        remedy = mend(doctor(TRIAL), fault)
    assert remedy.startswith("(Ctrl-C in the worker's terminal) ")
    os.utime(tasks, (changed - 60, changed - 60))
    with typed(remedy, env, tmp_path):
        expect_cured(doctor)


def test_old_code_in_a_run(root: Path, tmp_path: Path) -> None:
    with running(root, tmp_path, TRIAL) as workbench:
        tasks = root / "chapters" / TRIAL / "lab/tasks.py"
        os.utime(tasks)
        finding = examined(workbench)[-1]
        assert finding["fault"] == "old-worker"
        do_what_it_names(workbench, finding)
        assert faults(examined(workbench)) == []


def test_other_backend(doctor: Doctor, root: Path, env: dict[str, str], redis: str) -> None:
    with worker(root, env, OURS, CELERY_RESULT_BACKEND=f"{redis}/6"):
        remedy = mend(doctor(TRIAL), "other-backend")
    assert remedy == "set CELERY_RESULT_BACKEND in the worker's terminal, and start it again"
    with worker(root, env, OURS):
        assert faults(doctor(TRIAL)) == []


def test_a_worker_whose_processes_stand_still(
    doctor: Doctor, root: Path, env: dict[str, str]
) -> None:
    with worker(root, env, OURS, pool="prefork --concurrency 1") as stuck:
        (child,) = [one for one in stuck.process_tree() if one.ppid() == stuck.pid]
        child.suspend()
        remedy = mend(doctor(TRIAL), "probe-lost")
        with typed(remedy.partition("are lost: ")[2], env, root):
            expect_cured(doctor)
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def test_a_run_whose_workers_processes_stand_still(root: Path, tmp_path: Path) -> None:
    with running(root, tmp_path, TRIAL) as workbench:
        (said,) = [each for each in examined(workbench) if each["about"] == "workers"]
        assert said["fault"] == ""
        children = worker_children(root)
        for child in children:
            child.suspend()
        finding = examined(workbench)[-1]
        assert finding["fault"] == "probe-lost"
        finding["mend"] = finding["mend"].partition("are lost: ")[2]
        do_what_it_names(workbench, finding)
        assert faults(examined(workbench)) == []
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def worker_children(root: Path) -> list[psutil.Process]:
    """Return the processes of the worker's pool."""
    here = str(root / "chapters" / TRIAL)
    found = [
        process
        for process in psutil.process_iter(["cwd", "cmdline"])
        if process.info["cwd"] == here and "worker" in (process.info["cmdline"] or [])
    ]
    parents = {process.pid for process in found}
    return [process for process in found if process.ppid() in parents]
