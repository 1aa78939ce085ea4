"""What breaks: a worker in the middle of an album, and one beat too many."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from celery import Celery

from tests.support.waiting import wait_until
from workbench.chapter_run import ChapterRun

Run = Callable[..., str]
PHOTOS = 15  # of the size that people bring: more than a worker of two fetches ahead


@pytest.fixture(params=["redis", "rabbitmq"])
def lab_of_a_broker(request: pytest.FixtureRequest, labs: Any) -> Iterator[ChapterRun]:
    chapter_run: ChapterRun = labs(request.param, "redis")
    yield chapter_run
    chapter_run.start_all()


def pool_of(lab: ChapterRun) -> list[psutil.Process]:
    """Return the two processes in which the worker does its tasks."""
    processes = lab.services["worker"].process_tree()
    parents = {process.ppid() for process in processes}
    children = [process for process in processes if process.pid not in parents]
    assert len(children) == 2
    return children


# --- a worker is killed in the middle of an album ------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_is_killed_in_the_middle_of_an_album(
    lab_of_a_broker: ChapterRun, make_api: Any, sample_photo: bytes
) -> None:
    """What it had begun is lost, so the sheet never comes; ordering again heals."""
    lab, api = lab_of_a_broker, make_api(lab_of_a_broker)
    inspect = Celery(broker=lab.broker_url).control.inspect(timeout=5, limit=1)
    path = api.album(*[sample_photo] * PHOTOS, email="killed@example.com")
    api.accepted(api.post(f"{path}/orders"))

    def states() -> dict[str, str]:
        """Return the states of the photos' orders."""
        orders = api.get(path)["orders"][:PHOTOS]
        return {order["id"]: order["state"] for order in orders}

    def in_the_middle() -> bool:
        """Stop the clock, so to say, when some are done and two are being developed."""
        for process in pool_of(lab):
            process.suspend()
        answer = api.client.get(api.url + path)
        # One that stands still while it writes holds the lab's own database (SQLite): not now.
        orders = answer.json()["orders"][:PHOTOS] if answer.status_code == 200 else []
        found = [order["state"] for order in orders]
        if found.count("SUCCESS") >= 1 and found.count("STARTED") == 2:
            return True
        for process in pool_of(lab):
            process.resume()
        return False

    wait_until(in_the_middle, "the first photo, with two more at work", 60)
    workers: Any = inspect.reserved()
    fetched = {task["id"] for tasks in workers.values() for task in tasks}
    lab.kill("worker")
    killed = states()
    done, begun, waiting = (
        {order for order, state in killed.items() if state == wanted}
        for wanted in ("SUCCESS", "STARTED", "PENDING")
    )
    assert len(begun) == 2, "a photo in each of its two processes"
    assert len(done) + len(begun) + len(waiting) == PHOTOS
    assert len(fetched) >= 6, "it had fetched more than it had begun"
    assert fetched < waiting, "and the queue holds the rest"

    lab.start("worker")
    rest = waiting if lab.broker_url.startswith("amqp") else waiting - fetched
    wait_until(
        lambda: all(states()[order] == "SUCCESS" for order in rest), f"{len(rest)} more photos", 90
    )
    sentinel = api.accepted(api.post("/my-task", arg1=2, arg2=3))
    api.until(sentinel, "SUCCESS", seconds=30)  # nothing is left in the queue before it

    after = states()
    lost = {order for order, state in after.items() if state != "SUCCESS"}
    if lab.broker_url.startswith("amqp"):
        assert lost == begun, "RabbitMQ gives what was only fetched to the next worker"
    else:
        assert lost == begun | fetched, "Redis keeps what was fetched for an hour, for nobody"
        assert {after[order] for order in fetched} == {"PENDING"}
    assert {after[order] for order in begun} == {"STARTED"}, "for ever"
    album = api.get(path)
    assert (album["state"], album["error"], album["result"]) == ("STARTED", None, None)
    assert [order["state"] for order in album["orders"][PHOTOS:]] == ["PENDING"] * 2
    assert album["progress"] == {"done": PHOTOS - len(lost), "total": PHOTOS + 2}
    assert album["sheet"] is None
    assert api.letters("killed@example.com") == []

    api.accepted(api.post(f"{path}/orders"))
    healed = api.until(path, "SUCCESS", seconds=90)
    assert {order["state"] for order in healed["orders"][:PHOTOS]} == {"SUCCESS"}
    (letter,) = api.letters("killed@example.com")
    assert letter["text"] == f"Developed: {PHOTOS}. Could not be read: 0.\n"


@pytest.mark.slow
def test_a_killed_child_fails_its_photo_and_the_album_says_so(
    api: Any, sample_photo: bytes, small_photo: bytes
) -> None:
    """Its parent lives, and writes down what happened: so this album isn't lost in silence."""
    path = api.album(*[sample_photo] * 3)
    api.accepted(api.post(f"{path}/orders"))
    wait_until(lambda: api.get(path)["state"] == "STARTED", "the first photo to be begun")
    for process in pool_of(api.lab):
        process.kill()
    found = api.until(path, "FAILURE", seconds=30)
    assert found["error"]["type"] == "ChordError"
    assert "WorkerLostError" in found["error"]["message"]
    api.accepted(api.post(f"{path}/orders"))
    assert api.until(path, "SUCCESS", seconds=40)["error"] is None


# --- one beat too many ---------------------------------------------------------------------------


@pytest.fixture
def hasty_beats(lab: ChapterRun, tmp_path: Path) -> Iterator[list[str]]:
    """Run two beats in the place of the lab's own, whose schedule is one of seconds."""
    (tmp_path / "hasty.py").write_text(
        "from datetime import timedelta\n"
        "from make_celery import celery_app, flask_app\n"
        "celery_app.conf.beat_schedule = {\n"
        "    name: {'task': f'tasks.{name}', 'schedule': timedelta(seconds=2)}\n"
        "    for name in ('clean_up', 'report')\n"
        "}\n"
    )
    lab.stop("beat")
    names = ["beat_1", "beat_2"]
    for name in names:
        schedule = f"--schedule {tmp_path}/{name} --loglevel INFO"
        lab.add(name, f"PYTHONPATH={tmp_path} celery -A hasty beat {schedule}")
    yield names
    for name in names:
        lab.stop(name)
        del lab.services[name]


@pytest.mark.slow
def test_two_beats_tick_twice_and_the_report_is_still_one_letter(
    api: Any, hasty_beats: list[str]
) -> None:
    """Nothing stops the second; what does no harm twice is what saves the owner."""
    api.query("delete from letter where id like 'report-%'")
    to = "owner@photo-lab.example"
    had = sum(letter["copies"] for letter in api.letters(to))
    first = api.query("select max(id) from entry")[0][0] or 0

    def sent(beat: str, task: str) -> int:
        return sum(f"(tasks.{task})" in line for line in api.lab.log.lines(beat))

    def noted(task: str) -> list[str]:
        sql = "select said from entry where task = ? and id > ? order by id"
        return [row[0] for row in api.query(sql, f"tasks.{task}", first)]

    for beat in hasty_beats:
        api.lab.start(beat)
    before = {beat: sent(beat, "clean_up") for beat in hasty_beats}
    wait_until(
        lambda: all(sent(beat, "clean_up") >= before[beat] + 3 for beat in hasty_beats),
        "three ticks of each beat",
        20,
    )
    ticks = [sent(beat, "clean_up") - before[beat] for beat in hasty_beats]
    assert abs(ticks[0] - ticks[1]) <= 2, "each of them as often as one would"
    for beat in hasty_beats:
        api.lab.stop(beat)
    for task in ("clean_up", "report"):
        total = sum(sent(beat, task) for beat in hasty_beats)
        wait_until(lambda: len(noted(task)) >= total, "a line in the diary for each")  # noqa: B023
        assert len(noted(task)) == total
    said = noted("report")
    assert sum("goes to" in words for words in said) == 1
    assert sum("was written before" in words for words in said) == len(said) - 1
    wait_until(lambda: sum(letter["copies"] for letter in api.letters(to)) > had, "the report")
    assert sum(letter["copies"] for letter in api.letters(to)) == had + 1
    api.query("delete from letter where id like 'report-%'")


@pytest.mark.slow
def test_a_pidfile_keeps_a_second_beat_from_starting(
    lab: ChapterRun, run: Run, tmp_path: Path
) -> None:
    command = f"celery -A make_celery beat --pidfile {tmp_path}/beat.pid --schedule {tmp_path}"
    lab.stop("beat")
    lab.add("beat_1", f"exec {command}/one")
    lab.start("beat_1")
    try:
        file = tmp_path / "beat.pid"
        pid = wait_until(lambda: file.exists() and file.read_text().strip(), "the pidfile")
        said = run(f"{command}/two; echo exit status $?")
        assert f"Pidfile ({tmp_path}/beat.pid) already exists." in said
        assert f"Seems we're already running? (pid: {pid})" in said
        assert "exit status 73" in said
    finally:
        lab.stop("beat_1")
        del lab.services["beat_1"]
    assert not (tmp_path / "beat.pid").exists(), "it goes with its beat"


@pytest.mark.slow
def test_a_worker_that_holds_a_publication_gives_it_back_if_stopped_and_ends_with_its_redis(
    api: Any, small_photo: bytes
) -> None:
    """The second is Celery's: with nothing in its hands, a worker waits for its broker."""
    lab, photo = api.lab, api.developed(small_photo)
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    order = api.accepted(api.post(photo["publish"], at=soon))
    task_id = order.removeprefix("/tasks/").encode()
    broker = redis.Redis.from_url(lab.broker_url)

    def in_queue() -> bool:
        return any(task_id in message for message in broker.lrange("lab", 0, -1))

    def held() -> bool:
        return any(task_id in message for message in broker.hvals("unacked"))

    wait_until(held, "the worker to take it")
    lab.stop("worker")
    assert in_queue()
    lab.start("worker")
    wait_until(held, "the next worker to take it")

    lab.stop("broker")
    wait_until(lambda: "worker" in lab.dead(), "the worker to end")
    api.says("worker", "Unrecoverable error")
    lab.start_all()
    assert not in_queue()
    assert held(), "it waits for Redis' visibility timeout"
    broker.delete("unacked", "unacked_index")
