"""The X-ray's observer: it sees what there is, counts it all, and touches nothing."""

import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery, chord

from tests.support.chapter_runs import need_rabbitmq
from tests.support.deployment import FACTS, Deployment, listen, xray
from tests.support.waiting import wait_until
from workbench.brokers import rabbitmq_server
from workbench.probes import free_port
from xray.facts import Facts
from xray.management import Management
from xray.observer import Observer


def some(facts: FACTS | Facts, **wanted: Any) -> FACTS:
    """Return the facts that say this."""
    found = facts.history() if isinstance(facts, Facts) else facts
    return [fact for fact in found if wanted.items() <= fact.items()]


def until(facts: FACTS, **wanted: Any) -> dict[str, Any]:
    """Wait until a fact says this, and return the latest."""
    return wait_until(lambda: some(facts, **wanted), f"a fact with {wanted}")[-1]


# --- without a worker ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Redis without a worker."""
    with Deployment(tmp_path_factory.mktemp("bare"), start=False) as deployment:
        yield deployment


@pytest.fixture
def looking(bare: Deployment) -> Iterator[Observer]:
    """An observer of that, which looks when it is told to."""
    bare.redis.flushall()
    observer = Observer(bare.broker, bare.backend)
    observer.queues.know({"celery": "celery"}, {})
    yield observer
    observer.app.close()


def test_messages_are_seen_in_the_order_in_which_they_will_be_taken(
    bare: Deployment, looking: Observer
) -> None:
    later = bare.send("noop", 2, priority=6)
    (first,) = bare.send("noop", 1)
    looking.queues.look()
    (queue,) = some(looking.facts, of="queue")
    assert (queue["queue"], queue["depth"]) == ("celery", 3)
    assert queue["next"] == [first, *later]
    assert [fact["id"] for fact in some(looking.facts, of="waiting")] == [first, *later]
    where, key, _ = looking.queues.opened(later[1]) or ("", "", {})
    assert (where, key) == ("queue celery, place 3 of 3", "celery\x06\x166")
    looking.queues.look()
    assert len(some(looking.facts, of="waiting")) == 3  # said once


def test_a_message_that_is_put_back_is_released_before_it_waits_again(
    bare: Deployment, looking: Observer
) -> None:
    (task,) = bare.send("noop", 1)
    looking.queues.look()
    message = bare.redis.rpop("celery")  # as a worker does, which then isn't allowed to keep it
    bare.redis.hset("unacked", "a tag", json.dumps([json.loads(message), "", "celery"]))
    looking.queues.look()
    bare.redis.delete("unacked")
    bare.redis.rpush("celery", message)
    looking.queues.look()
    assert [fact["of"] for fact in looking.facts.history() if fact.get("id") == task] == [
        "waiting",
        "held",
        "released",
        "waiting",
    ]
    looking.queues.look()
    assert len(some(looking.facts, of="released")) == 1


def test_a_message_tells_of_its_workflow(bare: Deployment, looking: Observer) -> None:
    with Celery(broker=bare.broker, backend="cache+memory://", set_as_current=False) as app:
        part = app.signature("noop", immutable=True)
        body = part.clone() | app.signature("fail", ["x"], immutable=True)
        chord([part.clone() for _ in range(3)], app=app)(body)
    bare.send("sleep", 1, 0.25, headers={"celery_beat_task": True})
    looking.beats.read({"naps": {"task": "sleep"}})
    looking.queues.look()
    *parts, nap = some(looking.facts, of="waiting")
    assert len({fact["group"] for fact in parts}) == 1
    assert len({fact["chord"] for fact in parts}) == 1
    assert {fact["chord_task"] for fact in parts} == {"noop"}
    assert [fact["chord_chain"] for fact in parts] == [["fail"]] * 3
    assert (nap["task"], nap["args"], nap["beat"]) == ("sleep", "0.25", "naps")
    assert nap["bytes"] > 500
    assert some(looking.facts, of="beat", entry="naps", id=nap["id"])


def test_an_app_that_tells_of_what_it_sends_is_no_worker(looking: Observer) -> None:
    told = {"type": "task-sent", "uuid": "one", "hostname": "gen7@web", "timestamp": 1.0}
    looking.events.take(told | {"name": "noop", "args": "()", "kwargs": "{}"})
    (fact,) = some(looking.facts, of="event", type="sent")
    assert fact["origin"] == "gen7@web"
    assert "worker" not in fact


def test_the_lists_of_an_app_that_has_priorities_of_its_own_are_seen(bare: Deployment) -> None:
    """With what Celery's guide gives as an example, in its chapter on routing."""
    options = {"priority_steps": list(range(10)), "sep": ":"}
    bare.redis.flushall()
    with Celery(broker=bare.broker, set_as_current=False) as app:
        app.conf.broker_transport_options = options
        ids = [app.send_task("noop", priority=priority).id for priority in (9, 5, 1)]
    observer = Observer(bare.broker, bare.backend)
    observer.queues.know({}, {})  # nobody has told of the options yet
    observer.queues.look()
    observer.queues.know({"celery": "celery"}, options)
    observer.queues.look()
    assert some(observer.facts, of="queue", queue="celery", depth=3, next=ids[::-1])
    observer.app.close()


def test_an_app_whose_keys_have_a_prefix_is_not_seen_and_that_is_said(bare: Deployment) -> None:
    bare.redis.flushall()
    with Celery(broker=bare.broker, set_as_current=False) as app:
        app.conf.broker_transport_options = {"global_keyprefix": "shop:"}
        app.send_task("noop")
    observer = Observer(bare.broker, bare.backend)
    observer.queues.know({"celery": "celery"}, {})
    observer.queues.look()
    assert some(observer.facts, of="queue", queue="celery", depth=0)
    assert "'shop:'" in " ".join(observer.unseen())
    observer.app.close()


def test_what_is_no_management_interface_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        host, port = server.getsockname()
        said = pool.submit(Management("amqp://", f"http://{host}:{port}").depths)
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"AMQP\x00\x00\x09\x01")
        with pytest.raises(OSError, match="what answers is no RabbitMQ"):
            said.result(5)


def test_of_a_long_queue_both_ends_are_seen_and_the_rest_is_counted(
    bare: Deployment, looking: Observer
) -> None:
    ids = bare.send("noop", 100)
    looking.queues.look()
    (queue,) = some(looking.facts, of="queue")
    assert (queue["depth"], queue["next"]) == (100, ids[:30])
    assert {fact["id"] for fact in some(looking.facts, of="waiting")} == {*ids[:30], *ids[-30:]}


def test_the_log_is_bounded_and_keeps_what_still_holds() -> None:
    facts = Facts(kept=10)
    facts.add("worker", worker="a", alive=True)
    for number in range(50):
        facts.add("event", id=str(number), result="x" * 1000)
    history = facts.history()
    assert [fact["n"] for fact in history] == [1, *range(42, 52)]
    assert {len(fact["result"]) for fact in history[1:]} == {200}
    assert facts.since(49) == history[-2:]
    assert facts.has_all_since(41)
    assert not facts.has_all_since(40)
    assert not facts.has_all_since(99)  # of another X-ray


# --- with a worker -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Redis and a worker of two processes."""
    with Deployment(tmp_path_factory.mktemp("deployment")) as deployment:
        yield deployment


def tells(deployment: Deployment) -> bool:
    """Tell whether the worker sends events of its tasks, and leave it as it is."""
    with deployment.redis.pubsub() as listener:
        listener.psubscribe("/0.celeryev/task.*")
        (done,) = deployment.send("noop")
        wait_until(lambda: deployment.results.exists(f"celery-task-meta-{done}"), "a result")
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            if listener.get_message(ignore_subscribe_messages=True, timeout=0.1):
                return True
    return False


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_touched(deployment: Deployment) -> None:
    """The X-ray logs in as somebody who may read all, and write only to get workers' replies."""
    deployment.notes.write_text("")
    rules = (
        "%R~* ~*.reply.celery.pidbox* ~_kombu.binding* ~xray.* &* +@all -@admin -@dangerous +info"
    )
    deployment.redis.execute_command(f"ACL SETUSER looker on >secret {rules}")
    deployment.redis.execute_command("ACL LOG RESET")
    broker = deployment.broker.replace("redis://", "redis://looker:secret@")
    with xray(deployment, broker=broker) as url, listen(url) as facts:
        until(facts, of="worker", alive=True)
        ids = [deployment.send("note", 1, str(number))[0] for number in range(200)]
        wait_until(lambda: len(some(facts, of="event", type="succeeded")) == 200, "all to be done")
        until(facts, of="queue", queue="celery", depth=0, held=0)
    assert sorted(map(int, deployment.notes.read_text().split())) == list(range(200))
    assert deployment.redis.llen("celery") == deployment.redis.hlen("unacked") == 0
    assert deployment.redis.execute_command("ACL LOG") == []
    events = Counter((fact["id"], fact["type"]) for fact in some(facts, of="event"))
    assert events == Counter(
        {(each, kind): 1 for each in ids for kind in ("received", "started", "succeeded")}
    )
    assert [fact["n"] for fact in facts] == list(range(1, len(facts) + 1))
    assert "secret" not in json.dumps(facts)


@pytest.mark.slow
def test_events_are_on_while_somebody_watches(deployment: Deployment) -> None:
    with xray(deployment) as url:
        assert not tells(deployment)
        with listen(url) as facts:
            until(facts, of="worker", alive=True)
            assert tells(deployment)
        with listen(url, last=facts[-1]["n"]) as again:  # a page that was loaded anew
            assert tells(deployment)
        wait_until(lambda: not tells(deployment), "events to be off")
        with listen(url) as again:
            until(again, of="watch", on=False)
            until(again[again.index(until(again, of="watch", on=False)) :], of="watch", on=True)
            wait_until(lambda: tells(deployment), "events to be on")
    assert not tells(deployment)  # an X-ray that ends switches them off as well


@pytest.mark.slow
def test_events_that_were_on_before_stay_on(deployment: Deployment) -> None:
    deployment.events(True)
    with xray(deployment) as url, listen(url) as facts:
        until(facts, of="worker", alive=True)
    assert tells(deployment)
    deployment.events(False)


@pytest.mark.slow
def test_what_runs_is_seen_with_its_process_and_its_result(deployment: Deployment) -> None:
    with xray(deployment) as url, listen(url) as facts:
        worker = until(facts, of="worker", alive=True)
        assert (worker["pool"], worker["slots"], worker["queues"]) == ("prefork", 2, ["celery"])
        assert "noop" in worker["tasks"]
        assert not worker["ours"]
        ids = deployment.send("sleep", 4, 1.2)
        for each in ids:
            assert until(facts, of="process", id=each)["pid"] in worker["processes"]
        assert {fact["id"] for fact in some(facts, of="held")} >= set(ids[2:])
        until(facts, of="queue", held=2)
        result = until(facts, of="result", id=ids[3], state="SUCCESS")
        assert result["bytes"] == deployment.results.strlen(f"celery-task-meta-{ids[3]}")
        assert 86000 < result["ttl"] <= 86400
        assert until(facts, of="released", id=ids[3])


@pytest.mark.slow
def test_secrets_are_hidden(deployment: Deployment) -> None:
    with xray(deployment, "--redact") as url, listen(url) as facts:
        until(facts, of="worker", alive=True)
        deployment.worker_takes(False)
        (failing,) = deployment.send("fail", 1, "hush-hush")
        until(facts, of="waiting", id=failing)
        opened = [opened_card(url, failing)]
        deployment.worker_takes(True)
        until(facts, of="event", type="failed", id=failing)
        (sleeping,) = deployment.send("sleep", 1, 0.125)
        until(facts, of="event", type="succeeded", id=sleeping)
        opened += [opened_card(url, failing), opened_card(url, sleeping)]
    assert opened[0]["message"]["body"] == "(redacted)"
    assert opened[1]["result"]["value"]["status"] == "FAILURE"
    for secret in ("hush-hush", "0.125"):
        assert secret not in json.dumps([facts, opened])


def opened_card(url: str, task_id: str) -> Any:
    """Return what is said when a card is opened."""
    return httpx.get(f"{url}/tasks/{task_id}").json()


@pytest.mark.slow
def test_a_broker_that_goes_and_comes_back(deployment: Deployment) -> None:
    with xray(deployment) as url, listen(url) as facts:
        until(facts, of="worker", alive=True)
        deployment.server.halt()
        assert until(facts, of="broker", up=False)["says"]
        deployment.server.launch()
        deployment.server.wait()
        until(facts, of="broker", up=True)
        (done,) = deployment.send("noop")
        until(facts, of="event", type="succeeded", id=done)
        assert "Traceback" not in "\n".join(deployment.log.lines("xray"))


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True])
def test_a_worker_that_is_killed_loses_its_task_unless_it_acknowledges_late(
    deployment: Deployment, late: bool
) -> None:
    with xray(deployment) as url, listen(url) as facts:
        until(facts, of="worker", alive=True)
        (begun,) = deployment.send("sleep late" if late else "sleep", 1, 30)
        until(facts, of="process", id=begun)
        deployment.worker.kill_tree()
        until(facts, of="worker", alive=False)
        if late:
            deployment.worker.launch()
            deployment.worker.wait()
            until(facts, of="worker", alive=True)
            assert some(facts, of="held", id=begun)
            assert not some(facts, of="released", id=begun)
            deployment.redis.delete("unacked", "unacked_index")
        lost = until(facts, of="lost", id=begun)
        assert "is gone" in lost["why"]
        if not late:
            deployment.worker.launch()
            deployment.worker.wait()


@pytest.mark.slow
def test_what_a_worker_does_before_it_can_be_asked_to_tell_is_seen_by_its_results(
    deployment: Deployment,
) -> None:
    with xray(deployment) as url, listen(url) as facts:
        until(facts, of="worker", alive=True)
        deployment.worker.halt()
        ids = deployment.send("noop", 5)
        until(facts, of="queue", queue="celery", depth=5)
        deployment.worker.launch()
        for each in ids:
            until(facts, of="result", id=each, state="SUCCESS")
        deployment.worker.wait()


@pytest.mark.slow
def test_a_process_that_is_killed_is_a_failure_that_the_worker_tells_of(
    deployment: Deployment,
) -> None:
    with xray(deployment) as url, listen(url) as facts:
        (begun,) = deployment.send("sleep", 1, 30)
        os.kill(until(facts, of="process", id=begun)["pid"], signal.SIGKILL)
        assert "WorkerLostError" in until(facts, of="event", type="failed", id=begun)["error"]


# --- with RabbitMQ --------------------------------------------------------------------------------


def on_rabbitmq(folder: Path, management: str | None = None) -> Deployment:
    """Return a RabbitMQ, results in a database, and a worker of one process."""
    need_rabbitmq()
    deployment = Deployment(folder)
    deployment.server, deployment.broker = rabbitmq_server(
        "broker", folder / "rabbitmq", deployment.log, management
    )
    deployment.backend = f"db+sqlite:///{folder}/results.sqlite"
    deployment.worker = deployment.another("--concurrency 1")
    deployment.app.conf.update(broker_url=deployment.broker, result_backend=deployment.backend)
    return deployment


@pytest.mark.slow
def test_on_rabbitmq_depths_and_events_are_seen_and_the_rest_is_named(tmp_path: Path) -> None:
    deployment = on_rabbitmq(tmp_path)
    with deployment, xray(deployment) as url, listen(url) as facts:
        until(facts, of="worker", alive=True)
        deployment.worker_takes(False)
        ids = deployment.send("noop", 5)
        until(facts, of="queue", queue="celery", depth=5)
        deployment.worker_takes(True)
        for each in ids:
            until(facts, of="event", type="succeeded", id=each)
            until(facts, of="result", id=each, state="SUCCESS")
        until(facts, of="queue", queue="celery", depth=0)
        assert "would tell, but" in " ".join(until(facts, of="unseen")["says"])


@pytest.mark.slow
def test_rabbitmqs_management_tells_of_each_queue_and_of_what_is_held(tmp_path: Path) -> None:
    management = f"http://127.0.0.1:{free_port()}"
    deployment = on_rabbitmq(tmp_path, management)
    options = ("--management", management)
    with deployment, xray(deployment, *options) as url, listen(url) as facts:
        until(facts, of="worker", alive=True)
        deployment.worker_takes(False)
        deployment.send("noop", 2, queue="a queue that nobody takes from")
        until(facts, of="queue", queue="a queue that nobody takes from", depth=2)
        deployment.send("sleep late", 1, 3, queue="celery")
        until(facts, of="queue", queue="celery", depth=1)
        deployment.worker_takes(True)
        until(facts, of="queue", queue="celery", held=1)
        until(facts, of="queue", queue="celery", depth=0)
        assert not some(facts, of="unseen")
        with pytest.raises(OSError, match="the user guest is refused"):
            Management(deployment.broker, management.replace("//", "//guest:wrong@")).depths()
