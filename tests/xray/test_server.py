"""The X-ray's server: who may ask, what it answers, and what it does to workers of a run."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.deployment import ROOT, Deployment, listen, xray
from tests.support.waiting import wait_until
from tests.xray.test_observer import some, until
from xray.errors import UserError
from xray.observer import Observer
from xray.serve import check
from xray.server import create_app

NOWHERE = "redis://:geheim@127.0.0.1:9/0"
OURS = ("--run", str(os.getpid()))  # the deployment's worker is a child of ours


# --- who may ask ---------------------------------------------------------------------------------


class OwnPage(FlaskClient):
    """Asks at the X-ray's own address."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{"base_url": "http://127.0.0.1:5555"} | kwargs)


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    """Ask an X-ray of a broker that isn't there, as its own page does."""
    observer = Observer(NOWHERE, None)
    app = create_app(observer, 5555)
    app.test_client_class = OwnPage
    yield app.test_client()
    observer.app.close()


NAVIGATES = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 200),
        ("/", {"Host": "localhost:5555"}, 200),
        ("/", {"Host": "[::1]:5555"}, 200),
        ("/", {"Sec-Fetch-Site": "none"} | NAVIGATES, 200),
        ("/", {"Sec-Fetch-Site": "cross-site"} | NAVIGATES, 200),  # a link leads here
        ("/", {"Host": "evil.example:5555"}, 403),  # a name that was made to lead here
        ("/", {"Host": "127.0.0.1"}, 403),
        ("/", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("/", {"Sec-Fetch-Site": "cross-site"} | NAVIGATES | {"Sec-Fetch-Dest": "iframe"}, 403),
        ("/facts", {"Sec-Fetch-Site": "cross-site"} | NAVIGATES, 403),
        ("/facts", {"Sec-Fetch-Site": "same-site"}, 403),
        ("/saved", {"Sec-Fetch-Site": "cross-site"} | NAVIGATES, 403),
        ("/tasks/1", {"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_other_sites_learn_nothing(
    client: FlaskClient, path: str, headers: dict[str, str], status: int
) -> None:
    answer = client.get(path, headers=headers)
    assert answer.status_code == status
    if status == 403:
        expect_problem(answer)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"Origin": "http://evil.example"}, "Another site"),
        ({"Origin": "null"}, "Another site"),
        ({"Origin": "http://127.0.0.1:8000"}, "Another site"),
        ({"Sec-Fetch-Site": "cross-site"}, "Another site"),
        ({"Content-Type": "text/plain"}, "Only JSON"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "Only JSON"),
        ({"Origin": "http://127.0.0.1:5555"}, "only looks"),  # ours, but not started by a run
        ({}, "only looks"),
    ],
)
def test_other_sites_control_nothing(
    client: FlaskClient, headers: dict[str, str], says: str
) -> None:
    asked = {"Content-Type": "application/json"} | headers
    answer = client.post("/controls", data='{"do": "pause", "worker": "w"}', headers=asked)
    assert answer.status_code == 403
    assert says in expect_problem(answer)


def expect_problem(answer: TestResponse) -> str:
    """Expect a problem by RFC 9457, and return what it says."""
    assert answer.mimetype == "application/problem+json"
    fields = json.loads(answer.text)
    assert fields["status"] == answer.status_code
    return str(fields["detail"])


def test_the_page_trusts_only_itself_and_knows_no_password(client: FlaskClient) -> None:
    answer = client.get("/")
    policy = answer.headers["Content-Security-Policy"]
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert set(re.findall(r'<(?:style|script)[^>]* nonce="([^"]+)"', answer.text)) == {nonce}
    assert client.get("/").headers["Content-Security-Policy"] != policy
    assert "geheim" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("url", ["/nonsense", "/tasks/" + "x" * 300])
def test_what_isnt_there_is_a_problem(client: FlaskClient, url: str) -> None:
    answer = client.get(url)
    assert answer.status_code == 404
    assert expect_problem(answer)


# --- the command ---------------------------------------------------------------------------------


def command(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "xray", *words],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_broker_it_says_how_to_name_one() -> None:
    done = command()
    assert done.returncode == 2
    assert done.stderr.startswith("Say which broker to look at: --broker redis://")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("broker", "backend", "says"),
    [
        ("sqs://me:secret@x", None, "'sqs://***@x', only at Redis and RabbitMQ: give"),
        ("localhost:6379", None, "can't look at 'localhost:6379'"),
        ("redis://localhost:port/0", None, "'redis://localhost:port/0' is no address: Port"),
        ("amqp://a//;amqp://me:secret@b:99999//", None, "'amqp://***@b:99999//' is no address"),
        (NOWHERE, "nonsense://me:secret@x", "'nonsense://***@x' is no result backend that Celery"),
    ],
)
def test_an_address_that_is_none_is_one_sentence(
    broker: str, backend: str | None, says: str
) -> None:
    with pytest.raises(UserError) as caught:
        check(broker, backend)
    assert says in caught.value.message


@pytest.mark.slow
def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("--broker", NOWHERE, "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == (
        f"Port {port} is taken: stop what listens there, or choose another, "
        f"as in: --port {port + 1}\n"
    )


# --- with a worker -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Redis and a worker of two processes."""
    with Deployment(tmp_path_factory.mktemp("deployment")) as deployment:
        yield deployment


@pytest.fixture
def mended(deployment: Deployment) -> Iterator[Deployment]:
    """The same, as it was before each test."""
    deployment.notes.unlink(missing_ok=True)
    yield deployment
    if deployment.worker.pid is None:
        deployment.worker.launch()
        deployment.worker.wait()
    assert [key for key in deployment.redis.scan_iter() if b"xray" in key] == []


def do(url: str, **what: object) -> httpx.Response:
    """Ask for a control."""
    return httpx.post(f"{url}/controls", json=what, timeout=20)


def pause(url: str, facts: list[dict[str, Any]]) -> str:
    """Pause the worker, wait until it takes nothing more, and return its name."""
    worker = str(until(facts, of="worker", alive=True)["worker"])
    assert do(url, do="pause", worker=worker).status_code == 202
    wait_until(lambda: some(facts, of="worker")[-1]["paused"], "the worker to be paused")
    return worker


def names(deployment: Deployment) -> list[str]:
    """Return what was noted by tasks that ran."""
    return deployment.notes.read_text().split() if deployment.notes.exists() else []


@pytest.mark.slow
def test_a_paused_worker_takes_nothing_but_what_is_let_through(mended: Deployment) -> None:
    with xray(mended, *OURS) as url, listen(url) as facts:
        worker = pause(url, facts)
        assert until(facts, of="worker", paused=True)["queues"] == ["celery"]
        for name in "abc":
            mended.send("note", 1, name)
        mended.send("note", 1, "last", priority=3)
        until(facts, of="queue", queue="celery", depth=4)
        assert names(mended) == []
        assert do(url, do="one", worker=worker).status_code == 202
        wait_until(lambda: names(mended) == ["a"], "the first to be done")
        until(facts, of="queue", queue="celery", depth=3)
        assert do(url, do="one", worker=worker).status_code == 202
        wait_until(lambda: names(mended) == ["a", "b"], "the second to be done")
        assert do(url, do="resume", worker=worker).status_code == 202
        wait_until(lambda: len(names(mended)) == 4, "the rest to be done")
        assert set(names(mended)) == {"a", "b", "c", "last"}
        wait_until(lambda: not some(facts, of="worker")[-1]["paused"], "the worker to be resumed")
        answer = do(url, do="one", worker=worker)
        assert answer.status_code == 409
        assert "isn't paused" in answer.json()["detail"]


@pytest.mark.slow
def test_what_is_let_through_comes_again_by_its_own_queue(mended: Deployment) -> None:
    with xray(mended, *OURS) as url, listen(url) as facts:
        worker = pause(url, facts)
        (again,) = mended.send("again")
        until(facts, of="waiting", id=again)
        assert do(url, do="one", worker=worker).status_code == 202
        until(facts, of="event", type="retried", id=again)
        wait_until(lambda: len(some(facts, of="waiting", id=again)) > 1, "it to wait again")
        assert some(facts, of="waiting", id=again)[-1]["queue"] == "celery"
        do(url, do="one", worker=worker)
        until(facts, of="event", type="succeeded", id=again)


@pytest.mark.slow
def test_an_xray_that_ends_resumes_what_it_has_paused(mended: Deployment) -> None:
    with xray(mended, *OURS) as url, listen(url) as facts:
        pause(url, facts)
        mended.send("note", 1, "later")
        until(facts, of="queue", queue="celery", depth=1)
    wait_until(lambda: names(mended) == ["later"], "the worker to take it")


@pytest.mark.slow
def test_another_xray_resumes_what_a_killed_one_has_paused(mended: Deployment) -> None:
    with xray(mended, *OURS) as url, listen(url) as facts:
        worker = pause(url, facts)
        mended.send("note", 1, "later")
        (listener,) = wait_until(lambda: listeners_on(url), "its process to be found")
        os.kill(listener, signal.SIGKILL)
    with xray(mended, *OURS) as url, listen(url) as facts:
        until(facts, of="worker", paused=True)
        assert names(mended) == []
        do(url, do="resume", worker=worker)
        wait_until(lambda: names(mended) == ["later"], "the worker to take it")


def listeners_on(url: str) -> list[int]:
    """Return the processes that listen at this address."""
    port = int(url.rpartition(":")[2])
    found = [each for each in psutil.net_connections("tcp") if each.laddr and each.pid]
    return [
        int(each.pid or 0)
        for each in found
        if each.status == psutil.CONN_LISTEN and tuple(each.laddr)[1] == port
    ]


@pytest.mark.slow
def test_what_was_let_through_to_a_worker_that_died_goes_back(mended: Deployment) -> None:
    with xray(mended, *OURS) as url, listen(url) as facts:
        worker = pause(url, facts)
        for name in "ab":
            mended.send("note", 1, name)
        until(facts, of="queue", queue="celery", depth=2)
        mended.worker.kill_tree()
        until(facts, of="worker", alive=False)
        mended.redis.lmove("celery", f"celery.xray.{worker}", "RIGHT", "LEFT")
        mended.worker.launch()
        mended.worker.wait()
        wait_until(lambda: sorted(names(mended)) == ["a", "b"], "the new worker to take both")
        assert not some(facts, of="worker")[-1]["paused"]


@pytest.mark.slow
def test_a_process_of_a_pool_is_killed_and_nothing_else(mended: Deployment) -> None:
    with xray(mended, *OURS) as url, listen(url) as facts:
        worker = until(facts, of="worker", alive=True)
        (begun,) = mended.send("sleep", 1, 30)
        pid = until(facts, of="process", id=begun)["pid"]
        for wrong in (worker["pid"], os.getpid(), 1, 4_000_000):
            assert do(url, do="kill", worker=worker["worker"], pid=wrong).status_code == 409
        assert do(url, do="kill", worker=worker["worker"], pid=pid).status_code == 202
        assert "WorkerLostError" in until(facts, of="event", type="failed", id=begun)["error"]
        wait_until(lambda: pid not in some(facts, of="worker")[-1]["processes"], "a new process")
        assert do(url, do="kill", worker=worker["worker"]).status_code == 422
        assert do(url, do="burn", worker=worker["worker"]).status_code == 422
        assert do(url, do="pause").status_code == 422
        assert do(url, do="pause", worker="nobody@nowhere").status_code == 409


@pytest.mark.slow
def test_a_worker_that_this_run_has_not_started_is_left_alone(mended: Deployment) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with xray(mended, "--run", str(other.pid)) as url, listen(url) as facts:
            worker = until(facts, of="worker", alive=True)
            assert not worker["ours"]
            answer = do(url, do="pause", worker=worker["worker"])
            assert answer.status_code == 403
            assert "left alone" in answer.json()["detail"]
    finally:
        other.communicate(b"\n")


@pytest.mark.slow
def test_a_listener_goes_on_where_it_was_and_a_run_can_be_saved(mended: Deployment) -> None:
    with xray(mended) as url:
        with listen(url) as facts:
            until(facts, of="worker", alive=True)
            (done,) = mended.send("noop")
            until(facts, of="result", id=done)
        middle = facts[1]["n"]
        with listen(url, last=middle) as rest:
            wait_until(lambda: len(rest) >= len(facts) - 2, "the rest")
            assert rest[0]["n"] == middle + 1
        with listen(url, last=10**9) as everything:  # of another X-ray, which was there before
            wait_until(lambda: len(everything) >= len(facts), "everything")
            assert everything[0]["n"] == 1
        saved = httpx.get(f"{url}/saved")
        assert re.search(r'filename="xray-[\d-]+\.html"', saved.headers["Content-Disposition"])
        assert done in saved.text
        assert not re.search(r"<(script|link|img)[^>]*(src|href)=.(?!data:)", saved.text)
        opened = httpx.get(f"{url}/tasks/{done}").json()
        assert opened["message"] is None
        assert opened["result"]["key"] == f"celery-task-meta-{done}"
        assert opened["result"]["value"]["status"] == "SUCCESS"
