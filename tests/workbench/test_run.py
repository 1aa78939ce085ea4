"""`python -m workbench`, as a person at a terminal meets it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.chapter_runs import need_rabbitmq
from tests.support.listening import expect_loopback_only
from tests.support.terminal_run import FIRST, ROOT, Run, workbench
from tests.support.waiting import wait_until
from workbench import chapter, control
from workbench.chapter_run import find_port
from workbench.log import Log
from workbench.probes import free_port
from workbench.service import Service

XRAY = {"-m", "xray"}
NOTHING_TO_START = "web is running already: there was nothing to start\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run that is ready."""
    xray = {"XRAY": "1", "XRAY_PORT": str(free_port())}
    found = Run(tmp_path_factory.mktemp("a folder with spaces"), **xray)
    found.read_until("Ready (")
    yield found
    if found.process.poll() is None:
        found.end()


def test_ready_is_the_last_line_and_ends_with_the_address(run: Run) -> None:
    ready = run.said.splitlines()[-1]
    assert ready.startswith("Ready")
    assert ready.endswith(f"http://127.0.0.1:{run.port}")
    assert httpx.get(ready.split()[-1]).status_code == 200


def test_what_processes_say_while_they_start_is_above_the_addresses(run: Run) -> None:
    """Whatever comes after `Ready`, in a terminal of 24 lines, pushes the addresses out of it."""
    before = len(run.said.splitlines())
    run.tell("start", "web")
    run.read_until("-- was running already --")
    _empty, said = run.said.splitlines()[before:]
    assert "-- was running already --" in said, "nothing was said in between"
    assert re.search("Serving on http://127", run.said[: run.said.index("The same by hand")])


def test_it_prints_a_command_for_each_process(run: Run) -> None:
    for name in ("broker", *chapter.find(FIRST).processes()):
        assert re.search(rf"^# {name}\n\S.+\n\n", run.said, re.MULTILINE)


def test_its_xray_is_ready_with_it_or_soon_after(run: Run) -> None:
    (line,) = re.findall(r"^X-ray, .*", run.said, re.MULTILINE)
    url = line.split()[-1]
    assert line == f"X-ray, to watch the messages move: {url}"

    def answers() -> bool:
        try:
            return httpx.get(url).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, "the X-ray")


def test_nothing_listens_but_on_this_machine(run: Run) -> None:
    expect_loopback_only(run, "redis-server", "waitress-serve")


@pytest.mark.slow
@pytest.mark.parametrize("name", [found.name for found in chapter.chapters()])
def test_with_rabbitmq_too_nothing_listens_but_on_this_machine(tmp_path: Path, name: str) -> None:
    """With all that has a port: the broker's management, its name server, mail, the X-ray."""
    need_rabbitmq()
    run = Run(tmp_path, "--broker", "rabbitmq", chapter_name=name, XRAY="1")
    try:
        run.read_until("Ready (")
        expect_loopback_only(run, "beam.smp", "epmd", "redis-server", "waitress-serve")
    finally:
        run.end()


@pytest.mark.slow
def test_a_run_goes_on_without_its_xray(run: Run) -> None:
    assert run.tell("kill", "xray").stdout == "xray killed\n"
    assert httpx.get(f"http://127.0.0.1:{run.port}").status_code == 200
    run.tell("start", "xray")
    process = next(each for each in run.process_tree() if set(each.cmdline()[:4]) >= XRAY)
    process.kill()
    run.read_until("python -m workbench start xray")
    assert run.tell("start", "xray").stdout == "xray started\n"


def test_a_second_terminal_stops_starts_and_kills(run: Run) -> None:
    assert run.tell("stop", "broker").stdout == "broker stopped\n"
    assert run.tell("start", "broker").stdout == "broker started\n"
    assert run.tell("kill", "web").stdout == "web killed\n"
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{run.port}")
    run.tell("start", "web")
    assert httpx.get(f"http://127.0.0.1:{run.port}").status_code == 200


def test_a_second_terminal_hears_what_names_there_are(run: Run) -> None:
    done = run.tell("stop", "nonsense")
    assert done.returncode == 2
    assert done.stderr == (
        "There is no process 'nonsense': choose one of broker, web, worker, xray.\n"
    )


def test_a_second_terminal_runs_a_command_where_the_chapter_runs(run: Run) -> None:
    code = "import os; print(os.getcwd(), os.environ['PORT'], os.environ['CELERY_BROKER_URL'])"
    words = [sys.executable, "-c", code]
    said = workbench("exec", *words, env={"WORKBENCH_VAR": str(run.var)}).stdout.split()
    assert said[:2] == [str(chapter.find(FIRST).path), str(run.port)]
    assert said[2].startswith("redis://127.0.0.1:")


def test_a_silent_neighbour_doesnt_keep_a_second_terminal_waiting(run: Run) -> None:
    (address,) = control.runs(run.var / "runs")
    with socket.create_connection(("127.0.0.1", address.port)):
        assert run.tell("start", "web").stdout == NOTHING_TO_START


def test_what_runs_isnt_started_again(run: Run) -> None:
    before = {process.pid for process in run.process_tree()}
    assert run.tell("start", "web").stdout == NOTHING_TO_START
    assert before <= {process.pid for process in run.process_tree()}


def test_a_process_that_dies_is_reported_and_the_rest_goes_on(run: Run) -> None:
    process = next(
        process for process in run.process_tree() if "waitress" in " ".join(process.cmdline())
    )
    process.kill()
    run.read_until("python -m workbench start web")
    assert run.tell("start", "web").stdout == "web started\n"


def test_a_second_run_hears_that_the_port_is_taken(run: Run, tmp_path: Path) -> None:
    done = workbench("run", FIRST, "--port", str(run.port), env={"WORKBENCH_VAR": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr == (
        f"Port {run.port} is taken: stop what listens there, or choose another, "
        f"as in: make run PORT={run.port + 1}\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing(run: Run) -> None:
    assert len(run.process_tree()) > 4
    assert run.end() < 5
    assert run.said.endswith("Stopped.\n")
    assert run.process.returncode == 0
    assert (
        "\nTraceback" not in run.said
    )  # a worker's, about a lost broker, have its name before them
    assert run.process_tree() == []
    assert list((run.var / "runs").iterdir()) == []


@pytest.mark.slow
def test_what_it_prints_can_be_typed(run: Run, tmp_path: Path) -> None:
    """Follow the printed commands, each in a shell of its own, once the run is over."""
    if run.process.poll() is None:
        run.end()
    commands = re.findall(r"^# (\w+)\n(.+)\n\n", run.said, re.MULTILINE)
    assert len(commands) == 3
    services = []
    try:
        for name, command in commands:
            service = Service(name, command, ready=lambda _: True, log=Log(), cwd=tmp_path)
            service.launch()
            services.append(service)
        url = f"http://127.0.0.1:{run.port}"

        def asked() -> httpx.Response | None:
            try:
                answer = httpx.post(f"{url}/my-task", data={"arg1": 1, "arg2": 2})
            except httpx.TransportError:
                return None
            return answer if answer.status_code == 202 else None

        answer = wait_until(asked, "the page to take an order")
        assert answer
        address = url + answer.headers["Location"]
        wait_until(lambda: httpx.get(address).json()["result"] == 3, "the worker's answer")
    finally:
        for service in reversed(services):
            service.close()


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_of_rabbitmq(tmp_path: Path) -> None:
    need_rabbitmq()
    run = Run(tmp_path, "--broker", "rabbitmq")
    run.read_until("Ready (")
    assert len(run.process_tree()) > 8
    assert run.end() < 5
    assert run.process_tree() == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_other_signals_end_it_too_even_while_it_starts(tmp_path: Path, number: int) -> None:
    """A killed run can't stop anything any more: its guard does."""
    run = Run(tmp_path)
    run.read_until("Starting")
    wait_until(lambda: len(run.process_tree()) > 2, "its first processes")
    assert run.end(number) < 5
    assert "Traceback" not in run.said
    assert run.process_tree() == []


def chapter_with(tmp_path: Path, procfile: str, requirements: str = "") -> Path:
    """Make a copy of the workbench with a chapter of our own."""
    (tmp_path / "workbench").symlink_to(ROOT / "workbench")
    folder = tmp_path / "chapters/01_ours"
    folder.mkdir(parents=True)
    (folder / "Procfile").write_text(procfile)
    (folder / "requirements.txt").write_text(requirements)
    return tmp_path


def test_a_process_that_dies_before_all_is_ready_ends_the_run(tmp_path: Path) -> None:
    code = "import sys; print('I am going.'); sys.exit(7)"
    root = chapter_with(tmp_path, f'web: python -m http.server $PORT\nbad: python -c "{code}"\n')
    done = workbench("run", "01", "--port", str(free_port()), env=ours(root))
    assert done.returncode == 1
    assert done.stderr == ("bad ended with exit status 7. The last it said:\n  I am going.\n")


def ours(root: Path) -> dict[str, str]:
    return {"WORKBENCH_ROOT": str(root), "WORKBENCH_VAR": str(root / "var")}


def test_a_missing_module_is_one_sentence(tmp_path: Path) -> None:
    root = chapter_with(tmp_path, "web: true\n", "flask>=3\nno-such-thing>=1\n")
    done = workbench("run", "01", env=ours(root))
    assert done.returncode == 2
    assert done.stderr == (
        "no-such-thing is missing, 01_ours needs no-such-thing>=1: delete the folder .venv, "
        "then 'make run' makes it anew.\n"
    )


def test_a_python_without_the_workbenchs_modules_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
            "import runpy; runpy.run_module('workbench', run_name='__main__')",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert re.fullmatch(
        r"The module '\w+' is missing from this Python .+ 'make run' makes it anew\.\n", done.stderr
    )


def test_an_unknown_chapter_is_one_sentence(tmp_path: Path) -> None:
    done = workbench("run", "99", env={"WORKBENCH_VAR": str(tmp_path)})
    assert done.returncode == 2
    names = ", ".join(found.name for found in chapter.chapters())
    assert done.stderr == f"There is no chapter '99': choose one of {names}.\n"


def no_broker(shown: str) -> str:
    return (
        f"No broker answers at {shown}: start it, or unset CELERY_BROKER_URL "
        "to get a private one.\n"
    )


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"BROKER": "kafka"}, "There is no broker 'kafka': BROKER is redis or rabbitmq.\n"),
        (
            {"BACKEND": "disk"},
            "There is no result backend 'disk': BACKEND is redis or database.\n",
        ),
        (
            {"CELERY_BROKER_URL": "redis://127.0.0.1:9/0"},
            no_broker("redis://127.0.0.1:9/0"),
        ),
        (
            {"CELERY_BROKER_URL": "amqp://me:secret@127.0.0.1:9//"},
            no_broker("amqp://***@127.0.0.1:9//"),
        ),
        ({"CELERY_BROKER_URL": "foo://x"}, no_broker("foo://x")),
        ({"CELERY_BROKER_URL": "redis://localhost:abc/0"}, no_broker("redis://localhost:abc/0")),
    ],
)
def test_a_broker_that_cant_be_had_is_one_sentence(
    tmp_path: Path, env: dict[str, str], says: str
) -> None:
    env |= {"WORKBENCH_VAR": str(tmp_path)}
    done = workbench("run", FIRST, "--port", str(free_port()), env=env)
    assert done.returncode == 2
    assert done.stderr == says


@pytest.mark.parametrize("port", ["abc", "70000", "-1", ""])
def test_what_is_no_port_is_one_sentence(port: str) -> None:
    done = workbench("run", FIRST, env={"PORT": port} if port else {"PORT": " "})
    assert done.returncode == 2
    assert done.stderr == (
        f"'{port or ' '}' is no port: choose a number such as 8000, 65535 at most.\n"
    )


SIDE = "web: python -m http.server $PORT\nside: python -m http.server ${SIDE_PORT:-8025}\n"


def test_a_port_that_a_procfile_names_is_its_own_if_free_or_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chapter.Chapter(chapter_with(tmp_path, SIDE) / "chapters/01_ours").ports() == {
        "SIDE_PORT": 8025
    }
    monkeypatch.delenv("SIDE_PORT", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert find_port("SIDE_PORT", number) not in (0, number)
    assert find_port("SIDE_PORT", number) == number
    monkeypatch.setenv("SIDE_PORT", str(number))
    assert find_port("SIDE_PORT", 8025) == number


def test_a_variable_that_names_no_free_port_is_one_sentence(tmp_path: Path) -> None:
    env = ours(chapter_with(tmp_path, SIDE))
    port = ["--port", str(free_port())]
    done = workbench("run", "01", *port, env=env | {"SIDE_PORT": "abc"})
    assert done.returncode == 2
    assert done.stderr == ("SIDE_PORT is no port: set it to a number such as 8025, or unset it.\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        done = workbench("run", "01", *port, env=env | {"SIDE_PORT": str(number)})
    assert done.returncode == 2
    assert done.stderr == f"SIDE_PORT: port {number} is taken. Choose another, or unset it.\n"


def test_a_redis_at_another_port_says_which_variables_are_needed(tmp_path: Path) -> None:
    port = free_port()
    env = os.environ | {"REDIS_PORT": str(port), "WORKBENCH_VAR": str(tmp_path)}
    words = [sys.executable, "-m", "workbench", "redis"]
    with subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as redis:
        assert redis.stdout
        variables, ready = redis.stdout.readline(), redis.stdout.readline()
        redis.send_signal(signal.SIGINT)
    url = f"redis://127.0.0.1:{port}"
    assert variables == (
        f"In each other terminal: export CELERY_BROKER_URL={url}/0 CELERY_RESULT_BACKEND={url}/1\n"
    )
    assert ready == f"Ready (Ctrl-C stops it): {url}\n"


def test_nothing_running_is_one_sentence(tmp_path: Path) -> None:
    done = workbench("stop", "worker", env={"WORKBENCH_VAR": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr == (
        "Nothing is running: start a chapter in another terminal, with 'make run'.\n"
    )


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["stop", "-h"], ["check", "-h"]])
def test_help_helps(words: list[str]) -> None:
    done = workbench(*words)
    assert done.returncode == 0
    assert "Usage: python -m workbench" in done.stdout


def test_a_guard_kills_nobody_elses_processes() -> None:
    """Mirakuru would: at exit it kills those whose mark holds our number in a longer one."""
    code = "import sys, workbench.guard; print('mirakuru' in sys.modules)"
    words = [sys.executable, "-c", code]
    assert subprocess.check_output(words, cwd=ROOT, text=True) == "False\n"


def test_a_guard_finds_what_was_only_about_to_be_watched() -> None:
    """Who is killed just after starting a process hasn't said its number yet."""
    code = """
import os, signal, subprocess
from workbench import guard

guard.announce("about-to-start")
child = subprocess.Popen(["sleep", "60"], env={"MARK": "about-to-start"}, start_new_session=True)
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    said, _ = killed.communicate(timeout=30)
    child = int(said)
    wait_until(lambda: not psutil.pid_exists(child), "the guard to have killed it")
