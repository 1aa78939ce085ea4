"""The field guide's entries about programs that don't find, or don't hear, each other."""

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from tests.field_guide.guide import Words
from tests.field_guide.project import (
    DEVELOP,
    DEVELOP_UNTIL_FINISH,
    SEND,
    WORKER,
    Project,
    Terminal,
)
from tests.support.chapter_runs import need_rabbitmq, started
from tests.support.waiting import wait_until
from workbench import brokers
from workbench.log import Log
from workbench.probes import answers_http, free_port

pytestmark = pytest.mark.slow

GIVE_UP_AT_ONCE = """

app.conf.result_backend_transport_options = {"retry_policy": {"max_retries": 0}}
"""


@pytest.fixture
def small(project: Project) -> Project:
    """Write a task, and a script that sends it."""
    project.write("tasks.py", DEVELOP)
    project.write("send.py", SEND)
    return project


@pytest.fixture
def no_rabbitmq() -> Iterator[None]:
    """Keep the port where Celery looks for RabbitMQ by default, so that nothing listens there."""
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            keeper.bind(("127.0.0.1", 5672))
        except OSError:
            pytest.skip("a RabbitMQ of somebody's listens on 5672, and must not be disturbed")
        yield


@pytest.fixture(scope="module")
def rabbitmq_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a RabbitMQ, and return its address."""
    need_rabbitmq()
    service, url = brokers.rabbitmq_server("rabbitmq", tmp_path_factory.mktemp("rabbitmq"), Log())
    with started(service):
        yield url


@contextlib.contextmanager
def password(redis_url: str, text: str) -> Iterator[str]:
    """Have Redis want a password for a while; return its address without scheme."""
    Redis.from_url(redis_url).config_set("requirepass", text)
    try:
        yield redis_url.removeprefix("redis://")
    finally:
        with Redis.from_url(redis_url, password=text) as connection:
            connection.config_set("requirepass", "")


@contextlib.contextmanager
def redis_at(port: int, folder: Path) -> Iterator[None]:
    """Start a Redis of its own at this port."""
    service, _url = brokers.redis_server("redis", folder, Log(), port)
    service.launch()
    try:
        service.wait()
        yield
    finally:
        service.close()


def asked_until(project: Project, command: str, answer: str) -> str:
    """Ask the workers until an answer comes in time, as it may not on a busy machine."""
    screens: list[str] = []

    def ask() -> bool:
        screens.append(project.run(command))
        return answer in screens[-1]

    wait_until(ask, answer, 30)
    return screens[-1]


def expect_gone_where_it_works(words: Words, worker: Terminal) -> None:
    """See that this worker does what it is sent, and doesn't say the words."""
    worker.expect("succeeded in")
    words.expect_gone_from(worker.screen)


def test_consumer_cannot_connect_to_redis(small: Project, words: Words, tmp_path: Path) -> None:
    port = free_port()
    broker = f"redis://127.0.0.1:{port}/0"
    with small.terminal(WORKER, CELERY_BROKER_URL=broker) as worker:
        worker.expect_words(words)
        with redis_at(port, tmp_path / "redis"):
            worker.expect("ready.")  # by itself

    small.run("python send.py")
    with small.worker() as mended:
        expect_gone_where_it_works(words, mended)


def test_consumer_cannot_connect_to_amqp_though_you_meant_redis(
    small: Project, words: Words, no_rabbitmq: None
) -> None:
    small.run("python send.py")
    with small.terminal(f"unset CELERY_BROKER_URL && {WORKER}") as worker:
        worker.expect_words(words)
    with small.worker() as mended:
        expect_gone_where_it_works(words, mended)

    broker = small.env.pop("CELERY_BROKER_URL")
    small.write("tasks.py", DEVELOP.replace('"tasks"', f'"tasks", broker="{broker}"'))
    small.run("python send.py")
    with small.terminal(WORKER) as mended:
        expect_gone_where_it_works(words, mended)


def test_consumer_cannot_connect_to_amqpguestlocalhost3a(
    small: Project, words: Words, redis_url: str
) -> None:
    address = redis_url.removeprefix("redis://").replace("127.0.0.1", "localhost")
    small.run("python send.py")
    with small.terminal(WORKER, CELERY_BROKER_URL=address) as worker:
        worker.expect_words(words)
    with small.worker(CELERY_BROKER_URL=f"redis://{address}") as mended:
        expect_gone_where_it_works(words, mended)


def test_connection_refused_where_a_task_is_sent(small: Project, words: Words) -> None:
    elsewhere = f"redis://127.0.0.1:{free_port()}/0"
    words.expect_in(small.run("python send.py", CELERY_BROKER_URL=elsewhere))
    without_results = "unset CELERY_RESULT_BACKEND && python send.py"
    words.expect_in(small.run(without_results, CELERY_BROKER_URL=elsewhere))
    mended = small.run("python send.py")
    assert "sent: " in mended
    words.expect_gone_from(mended)


SEND_AGAIN_AND_AGAIN = """
        import time
        import traceback

        from tasks import develop

        while True:
            try:
                print("sent:", develop.delay("lake").id)
                break
            except RuntimeError:
                traceback.print_exc()
                time.sleep(0.2)
        """


def test_retry_limit_exceeded_while_trying_to_reconnect_to_the_celery_result_store(
    project: Project, words: Words, redis_url: str, tmp_path: Path
) -> None:
    project.write("tasks.py", DEVELOP + GIVE_UP_AT_ONCE)
    project.write("send.py", SEND)
    port = free_port()
    elsewhere = f"redis://127.0.0.1:{port}/1"
    words.expect_in(project.run("python send.py", CELERY_RESULT_BACKEND=elsewhere))
    assert Redis.from_url(redis_url).llen("celery") == 0
    mended = project.run("python send.py")
    assert "sent: " in mended
    words.expect_gone_from(mended)

    with password(redis_url, "secret") as address:
        locked = f"redis://{address}/1"
        broker = {"CELERY_BROKER_URL": f"redis://:secret@{address}/0"}
        words.expect_in(project.run("python send.py", CELERY_RESULT_BACKEND=locked, **broker))
        unlocked = f"redis://:secret@{address}/1"
        words.expect_gone_from(
            project.run("python send.py", CELERY_RESULT_BACKEND=unlocked, **broker)
        )

    project.write("send_on.py", SEND_AGAIN_AND_AGAIN)
    with project.terminal("exec python send_on.py", CELERY_RESULT_BACKEND=elsewhere) as sender:
        sender.expect_words(words)
        with redis_at(port, tmp_path / "redis"):
            sender.expect("sent: ")  # without having been restarted


APP = """
        from celery import Celery, shared_task
        from flask import Flask


        @shared_task
        def develop(photo: str) -> str:
            return f"print of {photo}"


        def create_app() -> Flask:
            app = Flask(__name__)
            celery_app = Celery("lab", broker=BROKER)
            app.extensions["celery"] = celery_app

            @app.post("/photos")
            def take_in() -> dict[str, str]:
                return {"id": develop.delay("lake").id}

            return app
    """


def test_connection_refused_only_in_flasks_requests(
    project: Project, words: Words, no_rabbitmq: None
) -> None:
    broker = project.env.pop("CELERY_BROKER_URL")
    app = APP.replace("BROKER", repr(broker))
    here = "from app import *; create_app(); print('sent:', develop.delay('lake').id)"
    port = free_port()
    serve = f"exec waitress-serve --listen=127.0.0.1:{port} --call app:create_app"
    post = f"curl -si -X POST http://127.0.0.1:{port}/photos"

    project.write("app.py", app)
    assert "sent: " in project.run(f'python -c "{here}"')
    with project.terminal(serve, answers_http(port)) as web:
        assert " 500 " in project.run(post)
        web.expect_words(words)
    with project.terminal(serve, answers_http(port), CELERY_BROKER_URL=broker):
        assert " 200 " in project.run(post)

    made = 'app.extensions["celery"] = celery_app'
    project.write("app.py", app.replace(made, f"{made}\n            celery_app.set_default()"))
    with project.terminal(serve, answers_http(port)) as mended:
        assert " 200 " in project.run(post)
        words.expect_gone_from(mended.screen)


def test_disabledbackend_object_has_no_attribute(small: Project, words: Words) -> None:
    small.write("ask.py", "from tasks import develop\n\nprint(develop.delay('lake').state)\n")
    words.expect_in(small.run("unset CELERY_RESULT_BACKEND && python ask.py"))
    mended = small.run("python ask.py")
    assert mended.strip() == "PENDING"
    words.expect_gone_from(mended)


def test_no_result_backend_is_configured(small: Project, words: Words) -> None:
    small.write("ask.py", "from tasks import develop\n\nprint(develop.delay('lake').get(20))\n")
    words.expect_in(small.run("unset CELERY_RESULT_BACKEND && python ask.py"))
    with small.worker():
        mended = small.run("python ask.py")
    assert mended.strip() == "lake is developed"
    words.expect_gone_from(mended)


def test_no_module_named_sqlite(small: Project, words: Words) -> None:
    address = "sqlite:///results.db"
    words.expect_in(small.run("python send.py", CELERY_RESULT_BACKEND=address))
    mended = small.run("python send.py", CELERY_RESULT_BACKEND=f"db+{address}")
    assert "sent: " in mended
    words.expect_gone_from(mended)
    others = small.run("python send.py", CELERY_RESULT_BACKEND="localhost:6379")
    assert "No module named 'localhost'" in others


def test_no_nodes_replied_within_time_constraint(
    project: Project, words: Words, redis_url: str
) -> None:
    project.write("tasks.py", DEVELOP_UNTIL_FINISH)
    project.write("send.py", SEND)
    ask = "celery -A tasks inspect ping"
    words.expect_in(project.run(ask))
    with project.worker(CELERY_BROKER_URL=f"{redis_url}/2"):
        words.expect_in(project.run(ask))
    with project.worker() as worker:
        words.expect_gone_from(asked_until(project, ask, "pong"))
        project.run("python send.py")
        worker.expect("received")
        words.expect_in(project.run(ask))
        project.write("finish", "")
        worker.expect("succeeded in")
        asked_until(project, f"{ask} --timeout 2", "pong")


def test_duplicatenodenamewarning(small: Project, words: Words) -> None:
    ask = "celery -A tasks inspect ping"
    with small.terminal(WORKER) as one, small.terminal(WORKER) as other:
        one.expect("ready.")
        other.expect("ready.")
        screen = asked_until(small, ask, "DuplicateNodenameWarning")
        words.expect_in(screen)
        assert "1 node online." in screen
    first, second = (f"{WORKER} -n {name}@%h" for name in ("first", "second"))
    with small.terminal(first) as one, small.terminal(second) as other:
        one.expect("ready.")
        other.expect("ready.")
        words.expect_gone_from(asked_until(small, ask, "2 nodes online."))


def test_authentication_required(small: Project, words: Words, redis_url: str) -> None:
    small.env.pop("CELERY_RESULT_BACKEND")
    small.run("python send.py")
    with password(redis_url, "secret") as address:
        sent = small.run("python send.py")
        assert "kombu.exceptions.OperationalError: Authentication required." in sent
        with small.terminal(WORKER) as worker:
            worker.expect_words(words)
        broker = f"redis://:secret@{address}/0"
        with small.worker(CELERY_BROKER_URL=broker) as mended:
            expect_gone_where_it_works(words, mended)


def test_invalid_username_password_pair_or_user_is_disabled(
    small: Project, words: Words, redis_url: str
) -> None:
    small.env.pop("CELERY_RESULT_BACKEND")
    small.run("python send.py")
    with password(redis_url, "secret") as address:
        with small.terminal(WORKER, CELERY_BROKER_URL=f"redis://secret@{address}/0") as worker:
            worker.expect_words(words)
        another = small.run("python send.py", CELERY_BROKER_URL=f"redis://:other@{address}/0")
        assert "OperationalError: invalid username-password pair" in another
        by_name = small.run("python send.py", CELERY_BROKER_URL=f"redis://default:secret@{address}")
        assert "sent: " in by_name
        broker = f"redis://:secret@{address}/0"
        with small.worker(CELERY_BROKER_URL=broker) as mended:
            expect_gone_where_it_works(words, mended)


def test_port_could_not_be_cast_to_integer_value_as(
    small: Project, words: Words, redis_url: str
) -> None:
    small.env.pop("CELERY_RESULT_BACKEND")
    with password(redis_url, "pa#ss") as address:
        broker = f"redis://:pa#ss@{address}/0"
        words.expect_in(small.run("python send.py", CELERY_BROKER_URL=broker))
        quote = "from urllib.parse import quote; print(quote('pa#ss', safe=''))"
        quoted = small.run(f'python -c "{quote}"').strip()
        broker = f"redis://:{quoted}@{address}/0"
        mended = small.run("python send.py", CELERY_BROKER_URL=broker)
        assert "sent: " in mended
        words.expect_gone_from(mended)


def test_amqpexceptionsaccessrefused(small: Project, words: Words, rabbitmq_url: str) -> None:
    wrong = rabbitmq_url.replace("guest:guest", "guest:other")
    worker = f"timeout 30 {WORKER.removeprefix('exec ')}; echo ended: $?"
    screen = small.run(worker, CELERY_BROKER_URL=wrong)
    words.expect_in(screen)
    assert "ended: 1" in screen
    words.expect_in(small.run("python send.py", CELERY_BROKER_URL=wrong))

    small.run("python send.py", CELERY_BROKER_URL=rabbitmq_url)
    with small.worker(CELERY_BROKER_URL=rabbitmq_url.replace("guest:guest@", "")) as mended:
        expect_gone_where_it_works(words, mended)


def test_you_cant_write_against_a_read_only_replica(
    small: Project, words: Words, redis_url: str, tmp_path: Path
) -> None:
    port = free_port()
    with redis_at(port, tmp_path / "redis"), Redis.from_url(redis_url) as replica:
        try:
            replica.replicaof("127.0.0.1", port)
            words.expect_in(small.run("python send.py"))
            ended = small.run(f"timeout 30 {WORKER.removeprefix('exec ')}; echo ended: $?")
            assert "ended: 1" in ended
            primary = small.run(
                "python send.py",
                CELERY_BROKER_URL=f"redis://127.0.0.1:{port}/0",
                CELERY_RESULT_BACKEND=f"redis://127.0.0.1:{port}/1",
            )
        finally:
            replica.replicaof("no", "one")
    alone = small.run("python send.py")
    for mended in (primary, alone):
        assert "sent: " in mended
        words.expect_gone_from(mended)


OLD_WORKERS = 5  # more than the connections of a program that sends


def test_max_number_of_clients_reached(small: Project, words: Words, redis_url: str) -> None:
    small.env.pop("CELERY_RESULT_BACKEND")
    with Redis.from_url(redis_url, single_connection_client=True) as first:
        most = first.config_get("maxclients")["maxclients"]
        first.config_set("maxclients", len(first.client_list()) + OLD_WORKERS)
        try:
            with contextlib.ExitStack() as old_workers:
                for _ in range(OLD_WORKERS):
                    one = Redis.from_url(redis_url, single_connection_client=True)
                    old_workers.enter_context(one).ping()
                words.expect_in(small.run("python send.py"))
            stopped = small.run("python send.py")
        finally:
            first.config_set("maxclients", most)
        more = small.run("python send.py")
    for mended in (stopped, more):
        assert "sent: " in mended
        words.expect_gone_from(mended)


@pytest.fixture
def redis_with_tls(redis_url: str, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Put TLS before the Redis; return the address, without a scheme, and the certificate."""
    certificate, key = tmp_path / "ours.pem", tmp_path / "key.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=redis -addext"
    files = ["-keyout", str(key), "-out", str(certificate)]
    words = [*make.split(), "subjectAltName=IP:127.0.0.1", *files]
    subprocess.run(words, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(tls_before(urlsplit(redis_url).port, context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", certificate
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        open_still = asyncio.all_tasks(loop)
        for connection in open_still:
            connection.cancel()
        loop.run_until_complete(asyncio.wait(open_still))
        loop.close()


async def tls_before(port: int | None, context: ssl.SSLContext) -> asyncio.Server:
    """Start a server that speaks TLS, and passes all that it is told on to a port."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_redis, to_redis = await asyncio.open_connection("127.0.0.1", port)
        both = pass_on(reader, to_redis), pass_on(from_redis, writer)
        await asyncio.gather(*both, return_exceptions=True)

    return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)


def test_a_rediss_url_must_have_parameter_ssl_cert_reqs(
    small: Project, words: Words, redis_with_tls: tuple[str, Path]
) -> None:
    address, certificate = redis_with_tls
    broker, backend = (f"rediss://{address}/{number}" for number in (0, 1))
    names = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")
    words.expect_in(small.run("python send.py", **dict(zip(names, (broker, backend), strict=True))))

    how = f"?ssl_cert_reqs=required&ssl_ca_certs={certificate}"
    mended = dict(zip(names, (broker + how, backend + how), strict=True))
    small.run("python send.py", **mended)
    with small.worker(**mended) as worker:
        expect_gone_where_it_works(words, worker)


def test_inequivalent_arg_x_max_priority(small: Project, words: Words, rabbitmq_url: str) -> None:
    small.env["CELERY_BROKER_URL"] = rabbitmq_url
    small.run("python send.py")
    with small.worker() as worker:
        worker.expect("succeeded in")
    small.write("tasks.py", DEVELOP + "\n\napp.conf.task_queue_max_priority = 10\n")
    words.expect_in(small.run("python send.py"))
    another = (
        DEVELOP + "\n\napp.conf.update(task_queue_max_priority=10, task_default_queue='photos')\n"
    )
    small.write("another.py", another)
    renamed = small.run("python -c 'from another import develop; print(develop.delay(1))'")
    words.expect_gone_from(renamed)
    assert "Traceback" not in renamed
    small.run("celery -A tasks amqp queue.delete celery")
    assert "sent: " in small.run("python send.py")
    with small.worker() as worker:
        expect_gone_where_it_works(words, worker)


CONTROL = "celery -A tasks control {} celery"
ACTIVE_QUEUES = "celery -A tasks inspect active_queues"


def test_empty_where_celery_inspect_active_queues_should_name_a_queue(
    small: Project, words: Words
) -> None:
    with small.worker() as worker:
        small.run(CONTROL.format("cancel_consumer"))
        words.expect_in(asked_until(small, ACTIVE_QUEUES, "- empty -"))
        small.run("python send.py")
        small.run(CONTROL.format("add_consumer"))
        worker.expect("succeeded in")
        words.expect_gone_from(asked_until(small, ACTIVE_QUEUES, "'name': 'celery'"))
        small.run(CONTROL.format("cancel_consumer"))
        worker.expect("Canceling queue")
        small.run("python send.py")
    with small.worker() as restarted:
        expect_gone_where_it_works(words, restarted)


def test_name_celeryxray_in_celery_inspect_active_queues(small: Project, words: Words) -> None:
    port = free_port()
    facts = f"exec curl -sN http://127.0.0.1:{port}/facts"
    name = socket.gethostname()
    press = (
        f"curl -s http://127.0.0.1:{port}/controls -H 'Content-Type: application/json' "
        f'-d \'{{"do": "%s", "worker": "celery@{name}"}}\''
    )
    with small.worker() as worker:
        xray = f"exec python -m xray --port {port} --run {os.getpid()}"
        root = str(Path(__file__).parents[2])
        with (
            small.terminal(xray, answers_http(port), PYTHONPATH=root),
            small.terminal(facts),
        ):
            asked_until(small, press % "pause", '"done"')
            words.expect_in(asked_until(small, ACTIVE_QUEUES, ".xray."))
            small.run("python send.py")
            asked_until(small, press % "resume", '"done"')
            worker.expect("succeeded in")
            words.expect_gone_from(asked_until(small, ACTIVE_QUEUES, "'name': 'celery'"))
