"""The app that the lesson's last part shows, run as its reader would: web, worker, Redis."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.chapter_runs import started
from tests.support.waiting import wait_until
from workbench.brokers import redis_server
from workbench.log import Log
from workbench.probes import answers_http, free_port
from workbench.service import Service

YOURS = Path(__file__).parent / "yours"
LESSON = Path(__file__).parents[3] / "chapters/02_architecture/README.md"
QUICK = "--pool solo --without-mingle --without-gossip --loglevel INFO"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Service]]:
    """Run the app and its worker; return its address, and its Redis."""
    folder = tmp_path_factory.mktemp("yours") / "app"
    shutil.copytree(YOURS, folder)
    log, port = Log(), free_port()
    redis, url = redis_server("redis", folder / "redis", log)
    bin_folder = Path(sys.executable).parent
    env = os.environ | {
        "WORDS_CELERY__broker_url": f"{url}/0",
        "WORDS_CELERY__result_backend": f"{url}/1",
        "WORDS_SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/words.sqlite",
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
    }
    create_tables = re.search(r"\| `(python -c .+?)` \|", LESSON.read_text())
    assert create_tables
    subprocess.run(["bash", "-c", create_tables[1]], cwd=folder, env=env, check=True)
    web = Service(
        "web",
        f"{bin_folder}/flask --app words run --port {port}",
        ready=answers_http(port),
        log=log,
        cwd=folder,
        env=env,
    )
    worker = Service(
        "worker",
        f"{bin_folder}/celery -A make_celery worker {QUICK}",
        ready=lambda _: any(" ready." in line for line in log.lines("worker")),
        log=log,
        cwd=folder,
        env=env,
    )
    with started(redis), started(web), started(worker):
        yield f"http://127.0.0.1:{port}", redis


@pytest.mark.slow
def test_the_worker_counts_what_was_sent(app: tuple[str, Service], client: httpx.Client) -> None:
    address, _ = app
    answer = client.post(f"{address}/texts", content="commit, then send")
    location = address + answer.headers["Location"]
    words = wait_until(lambda: client.get(location).json()["words"], "the words to be counted")

    assert answer.status_code == 202
    assert words == 3
    assert wait_until(lambda: client.get(location).json()["state"] == "SUCCESS", "its result")


def test_an_id_that_was_never_issued_is_404(app: tuple[str, Service], client: httpx.Client) -> None:
    assert client.get(f"{app[0]}/texts/never").status_code == 404


def test_without_redis_the_answer_is_a_503_soon(
    app: tuple[str, Service], client: httpx.Client
) -> None:
    address, redis = app
    known = client.post(f"{address}/texts", content="one two").headers["Location"]
    redis.halt()
    answers = [client.post(f"{address}/texts", content="two words"), client.get(address + known)]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert max(answer.elapsed.total_seconds() for answer in answers) < 2


@pytest.mark.slow
def test_its_own_tests_pass_with_a_worker_in_their_process(tmp_path: Path) -> None:
    shutil.copytree(YOURS, tmp_path / "app")
    own_settings = ["-c", "/dev/null", "--rootdir", ".", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *own_settings, "-q", "."],
        cwd=tmp_path / "app",
        env=os.environ | {"PYTHONPATH": ".", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "1 passed" in done.stdout, done.stdout
