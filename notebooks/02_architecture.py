# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Chapter 2 · Architecture: follow one message
#
# The [lesson](../chapters/02_architecture/README.md) as a notebook: the same lab, the same steps,
# and pictures of what passes between its parts. Run the cells from top to bottom, and answer each
# question before you run the cell below it.

# %%
from plots_02 import Fate, gantt, journey, waits
from session import final_status, photos, start, until

lab = start("02")  # what `make run CHAPTER=02` starts: a Redis, the web server, a worker
print("running:", ", ".join(lab.services))

# %% [markdown]
# Section 2.2.2 needs more: a worker for each pair of broker and result backend. That of Redis and
# Redis runs already. Let the others start in the background, each with a queue of its own, and
# RabbitMQ too if this machine has it.

# %%
from workbench.brokers import rabbitmq_server
from workbench.errors import UserError

brokers = {"Redis": lab.broker_url}
try:
    service, url = rabbitmq_server("rabbitmq", lab.folder / "rabbitmq", lab.log)
except UserError:
    pass  # it isn't installed: two pairs are left
else:
    lab.services["rabbitmq"], brokers["RabbitMQ"] = service, url
    lab.servers.append("rabbitmq")

backends = {"Redis": lab.result_backend, "database": f"db+sqlite:///{lab.folder}/results.sqlite"}
pairs = {f"{broker}-{backend}": (broker, backend) for broker in brokers for backend in backends}

# %%
import shlex
from concurrent.futures import ThreadPoolExecutor


def start_pairs() -> None:
    """Start the workers, those of RabbitMQ when it is ready: that takes it some five seconds."""
    for server in lab.servers[1:]:
        lab.services[server].launch()
    for queue, (broker, backend) in pairs.items():
        if queue == "Redis-Redis":
            continue  # the lab's own
        if broker == "RabbitMQ":
            lab.services["rabbitmq"].wait()
        settings = [f"CELERY_BROKER_URL={brokers[broker]}"]
        settings += [f"CELERY_RESULT_BACKEND={backends[backend]}"]
        options = "--concurrency 1 --prefetch-multiplier 1 --task-events --without-mingle"
        worker = f"celery -A make_celery worker -Q {queue} -n {queue}@%h {options}"
        lab.add(queue, f"env {shlex.join(settings)} {worker} --without-gossip")
        lab.services[queue].launch()


background = ThreadPoolExecutor()
starting = background.submit(start_pairs)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.2 Before the parts: a factory
#
# `create_app` makes an app when it is called, and another one if you call it again. Make two.
#
# **How many connections does that open? And to which of the two does the shared task belong?**

# %%
import psutil

from lab import create_app
from lab.models import Order, Photo, db
from lab.tasks import develop


def connections() -> int:
    """Count this kernel's connections to the lab's Redis."""
    port = int(lab.broker_url.rpartition(":")[2].removesuffix("/0"))
    found = psutil.Process().net_connections("tcp")
    return sum(bool(one.raddr) and one.raddr.port == port for one in found)


# %% slideshow={"slide_type": "-"}
before = connections()  # of the workbench, which asked whether the worker is ready
app = create_app()
theirs = create_app({"CELERY": {"task_default_queue": "lab-2"}})
print("new connections:", connections() - before)

for each in (app, theirs):
    with each.app_context():
        celery = each.extensions["celery"]
        print("queue:", celery.conf.task_default_queue, "has the task:", develop.app is celery)

# %% [markdown] slideshow={"slide_type": "-"}
# None, before somebody asks for something. The queues differ, so the settings are not shared. And
# the task belongs to whichever app is at work.

# %%
celery = app.extensions["celery"]
print(celery.send_task("tasks.my_task", [20, 22]).get(timeout=60))
print("new connections:", connections() > before)

# %% [markdown]
# Now hand in a photo, as a visitor does. The order is written down as a row, before the task is
# sent.

# %%
import httpx

visitor = httpx.Client(base_url=lab.url, timeout=60)
small = photos(edge=400)[0]


def hand_in() -> str:
    """Hand in a small photo, and return the id of its order."""
    answer = visitor.post("/photos", files={"photo": ("dunes.jpg", small)})
    return str(answer.raise_for_status().json()["id"])


first = hand_in()
with app.app_context():
    order = db.session.get_one(Order, first)
    print("the row says:", order.task, "of", order.photo and order.photo.name)
final_status(f"{lab.url}/tasks/{first}")

# %% [markdown]
# Why written down *and committed* first? Here is the other way round. **What does the worker
# find?**

# %%
with app.app_context():
    db.session.add(Photo(id="too early", name="too early"))
    db.session.flush()  # written, but in a transaction: nobody else sees it
    print(repr(develop.delay("too early").get(timeout=60, propagate=False)))
    db.session.rollback()

# %% [markdown]
# ### A trap: a name that isn't registered
#
# All that the sender and the worker have in common is the task's name. **Who complains about a
# wrong one, and when: the sender when it sends, or the worker when it looks?**

# %%
misnamed = celery.send_task("lab.tasks.develop")  # the module's name for it: ours is tasks.develop
print("sent, with an id:", bool(misnamed.id))
error = misnamed.get(timeout=60, propagate=False)
print(f"{type(error).__name__}: {error}")

# %% [markdown]
# The worker. Ask it which names it knows:

# %%
from celery.utils.nodenames import gethostname

own = f"celery@{gethostname()}"  # the lab's own worker
print(*celery.control.inspect([own], timeout=30).registered()[own])

# %% [markdown]
# ## 2.2.1 Core components: follow one photo
#
# So that you can look at each of the four parts, one at a time, stop the worker, and hand in a
# photo.
#
# **The broker. Where is the order now, and how large is it?** (The photo has some ten thousand
# bytes.)

# %%
from typing import Any

from redis import Redis

broker: Any = Redis.from_url(lab.broker_url, decode_responses=True)
lab.stop("worker")
second = hand_in()

print("waiting in the list 'lab':", broker.llen("lab"))
[text] = broker.lrange("lab", 0, -1)
print("larger than the photo:", len(text) > len(small))

# %% [markdown]
# Less than the photo: its pixels are a file, and the message only has its id. It is JSON, and so
# is its body, in base64. **Which of the three parts does the function get: headers, properties or
# body?**

# %%
import base64
import json

message = json.loads(text)
args, kwargs, next_ones = json.loads(base64.b64decode(message["body"]))
headers, properties = message["headers"], message["properties"]
with app.app_context():
    photo_id = db.session.get_one(Order, second).photo_id

print("body: one argument, the photo's id:", args == [photo_id], "- by keyword:", kwargs)
print("headers: the order's id:", headers["id"] == second, "- its limits:", headers["timelimit"])
print("        ", headers["task"], "- tried before:", headers["retries"], "times")
print("properties: for the queue", properties["delivery_info"]["routing_key"], end="")
print(", kept on disk if possible:", properties["delivery_mode"] == 2)

# %% [markdown]
# **Your turn.** Send something else meanwhile, or several things. **Which end of the list do they
# join, and which end will the worker take from?**

# %%
another = celery.send_task("tasks.my_task", [2, 3])
print(*(json.loads(text)["headers"]["task"] for text in broker.lrange("lab", 0, -1)))

# %% [markdown]
# Sent on the left, taken on the right: first come, first served.
#
# **The worker.** Start it. It takes the messages, and develops the photo. **What is left in the
# broker?**

# %%
lab.start("worker")
print(final_status(f"{lab.url}/tasks/{second}")["state"], another.get(timeout=60))
print("waiting:", broker.llen("lab"), "- held by a worker:", broker.hlen("unacked"))

stats = celery.control.inspect([own], timeout=30).stats()[own]
print("processes:", stats["pool"]["max-concurrency"], "- may fetch:", stats["prefetch_count"])
print("done since it started:", *sorted(stats["total"]))

# %% [markdown]
# **The result backend** keeps what came of it under a key that is named after the id. **For how
# long?**

# %%
backend = Redis.from_url(lab.result_backend, decode_responses=True)
key = f"celery-task-meta-{second}"
kept = json.loads(backend.get(key) or "{}")
print({name: kept[name] for name in ("status", "result")}, "and:", *sorted(kept.keys()))
print("hours left:", round(backend.ttl(key) / 3600, 1))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A message's journey
#
# Now watch it on its way. There are two witnesses, with clocks that agree: Redis, which is both
# broker and backend here, tells each command that it gets (`MONITOR`); sender and worker tell
# what they do (Celery's *events*).
#
# **In what order: the worker begins, the message is acknowledged, the photo is developed?**

# %%
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from celery import Celery

Event = dict[str, Any]


@contextmanager
def events_of(celery: Celery) -> Iterator[list[Event]]:
    """Gather what senders and workers tell."""
    found: list[Event] = []
    patterns = broker.pubsub_numpat()
    with celery.connection_for_read() as connection:
        receiver = celery.events.Receiver(connection, handlers={"*": found.append})
        listening = receiver.consume(limit=None, safety_interval=0.1)  # seconds
        thread = Thread(target=list, args=[listening], daemon=True)
        thread.start()
        until(lambda: broker.pubsub_numpat() > patterns, "a receiver that listens")
        yield found
        receiver.should_stop = True  # which it notices within that interval
        thread.join()


def overhear(monitor: Any, commands: list[Event]) -> None:
    """Note each command with its time, until one says that it's over."""
    while not (commands and commands[-1]["command"].startswith("ECHO")):
        commands.append(monitor.next_command())


# %% [markdown]
# The sender tells that it has sent something if its app says so; the worker, if it is asked to.

# %%
import time

caller = create_app({"CELERY": {"task_send_sent_event": True}}).extensions["celery"]
caller.send_task("tasks.my_task", [20, 22]).get(timeout=60)  # opens the connections
caller.control.enable_events([own], reply=True)
commands: list[Event] = []

with events_of(caller) as events, broker.monitor() as monitor:
    thread = Thread(target=overhear, args=[monitor, commands], daemon=True)
    thread.start()
    called = time.time()
    result = caller.send_task("tasks.develop", [photo_id])
    result.get(timeout=60)
    done = time.time()
    until(lambda: "task-succeeded" in [event["type"] for event in events], "the last event")
    broker.echo("That's it.")
    thread.join()

# %% [markdown]
# Out of these, pick the steps of this one message:

# %%
FROM_REDIS = {  # how a command begins, and what else is in it
    "SUBSCRIBE": ("SUBSCRIBE", result.id),
    "LPUSH": ("LPUSH lab", result.id),
    "HSET unacked": ("HSET unacked", result.id),
    "HDEL unacked": ("HDEL unacked", ""),
    "SETEX STARTED": ("SETEX", "STARTED"),
    "SETEX SUCCESS": ("SETEX", "SUCCESS"),
}
moments = {"send_task()": called, ".get() returns": done}
for step, (start_of, inside) in FROM_REDIS.items():
    [moments[step]] = [
        command["time"]
        for command in commands
        if command["command"].startswith(start_of) and inside in command["command"]
    ]
for event in events:
    if event.get("uuid") == result.id:
        moments[event["type"]] = event["timestamp"]


def in_order(*steps: str) -> str:
    """Put steps into the order in which they happened."""
    return " < ".join(sorted(steps, key=moments.__getitem__))


print("caller:", in_order("LPUSH", ".get() returns", "task-sent", "SUBSCRIBE", "send_task()"))
print("worker:", in_order("HDEL unacked", "task-started", "HSET unacked", "task-received"))
print("its child:", in_order("SETEX SUCCESS", "SETEX STARTED", "task-received"))
print("across:", in_order("HSET unacked", "SETEX SUCCESS", ".get() returns", "LPUSH"))
print("across:", in_order("SETEX SUCCESS", "HDEL unacked"))

# %% slideshow={"slide_type": "subslide"}
from matplotlib import pyplot as plt

journey({step: 1000 * (moment - called) for step, moment in moments.items()})
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** Solid arrows were observed, at the time on the left; dashed ones are what must
# have happened before the next. The rows are evenly spaced; the scale on the right is true. The
# worker acknowledges the message when it *begins*: the broker has forgotten it while the photo is
# being developed.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.2.2 Brokers and result backends: exchange them
#
# The lab's code names a broker and a backend only as a default; two environment variables beat
# it. The workers from the top of this page have a pair of them each. Send the smallest task to
# each, and wait for its result, twenty times.
#
# **A worker tells Redis, and Redis tells whoever subscribed. What does somebody do who waits for
# a row in a database?**

# %%
import os

starting.result(timeout=60)


@contextmanager
def celery_on(broker: str, backend: str) -> Iterator[Celery]:
    """Make the lab's Celery app where the environment names these two."""
    os.environ |= {"CELERY_BROKER_URL": brokers[broker], "CELERY_RESULT_BACKEND": backends[backend]}
    try:
        yield create_app({"CELERY": {"broker_connection_timeout": 20}}).extensions["celery"]
    finally:
        os.environ |= lab.env


def round_trips(celery: Celery, queue: str, times: int, interval: float) -> list[float]:
    """Send a task and wait for its result, again and again; return the seconds."""
    found = []
    for number in range(times):
        begun = time.perf_counter()
        result = celery.send_task("tasks.my_task", [number, 1], queue=queue)
        assert result.get(timeout=60, interval=interval) == number + 1
        found.append(time.perf_counter() - begun)
    return found


# %% [markdown]
# Who waits for a row asks again and again: every half second, if nobody says otherwise. One pair
# is enough to see that.
#
# **Your turn.** Ask more often, or more rarely: change `OFTEN`, and run this and the next two
# cells again.

# %%
OFTEN, BY_DEFAULT = 0.01, 0.5  # seconds between two questions

trips = {}
for queue, (broker_name, backend_name) in pairs.items():
    queue = "lab" if queue == "Redis-Redis" else queue  # the lab's own worker
    name = f"{broker_name} + {backend_name}"
    with celery_on(broker_name, backend_name) as sender:
        round_trips(sender, queue, 1, OFTEN)  # the first one waits for the worker to start
        often = name if backend_name == "Redis" else f"{name}, asked every {OFTEN:g} s"
        trips[often] = round_trips(sender, queue, 20, OFTEN)
        if name == "Redis + database":
            by_default = round_trips(sender, queue, 3, BY_DEFAULT)
            trips[f"{name}, by default every 0.5 s"] = by_default

print("every pair that is installed answers:", len(trips) == len(pairs) + 1)

# %%
from statistics import median

told = [seconds for name, seconds in trips.items() if "database" not in name]
print("told by Redis, less than half a second:", all(median(one) < 0.5 for one in told))
print("asking a database by default, half a second:", max(by_default) >= 0.5)

# %% slideshow={"slide_type": "subslide"}
waits(trips)
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** Each mark is one round trip, the bar is their median: send `tasks.my_task`,
# have a worker add two numbers, read the result. Blue: Redis tells who waits. Orange: who waits
# asks the database. Asked as seldom as by default (hollow), that is half a second, however quick
# the task was, unless the result is there at the first look. (RabbitMQ is there if this machine
# has it.)

# %% [markdown]
# With Redis a result is a key that goes away. **And with a database?**

# %%
import sqlite3

with sqlite3.connect(backends["database"].removeprefix("db+sqlite:///")) as database:
    rows = database.execute("SELECT status, task_id FROM celery_taskmeta").fetchall()
print("rows that stay, one a result:", len(rows) >= 24, "-", *{status for status, _ in rows})

# %% [markdown]
# RabbitMQ and its workers have done their part, if they are here.

# %%
for queue in pairs:
    if queue.startswith("RabbitMQ"):
        lab.kill(queue)
for server in lab.servers[1:]:
    background.submit(lab.services[server].halt)  # it takes its time

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What to break: a worker that is busy
#
# A worker fetches messages ahead of need: by default four for each of its processes
# (`--prefetch-multiplier 4`). Two workers with one process each. One of them gets a slow task,
# and behind it eight quick ones in the same queue. Then the other comes along and helps, with
# nothing else to do.
#
# **How many of the quick ones wait for the slow one all the same? And with a multiplier of 1?**

# %%
with app.app_context():
    large = Photo(id="large", name="without an order")
    large.negative.write_bytes(photos(edge=1000)[0])
    db.session.merge(large)
    db.session.commit()
celery.control.pool_shrink(1, [own], reply=True)  # the lab's own worker had two processes


def finished(events: list[Event]) -> set[str]:
    """Return the ids of the tasks that have ended."""
    return {event["uuid"] for event in events if event["type"] == "task-succeeded"}


def fates(busy: str, helper: str, wake: str, share: int) -> list[Fate]:
    """Have one worker busy, and another come and help; return what became of each task."""
    with events_of(celery) as events:
        sent = time.time()
        work = [("tasks.develop", ["large"])] + [("tasks.my_task", [n, 1]) for n in range(8)]
        sends = [celery.send_task(*one, queue=busy, ignore_result=True) for one in work]
        ids, left = {one.id for one in sends}, 8 - share
        until(lambda: (broker.hlen("unacked"), broker.llen(busy)) == (share, left), "its share")

        for change in (celery.control.add_consumer, celery.control.cancel_consumer):
            change(busy, destination=[helper], reply=True)
            ids.add(celery.send_task("tasks.my_task", [0, 0], queue=wake).id)  # it looks anew
            until(lambda: ids <= finished(events), "the end of all tasks")

    of_task = {(one.get("uuid"), one["type"]): one for one in events}
    found = []
    for one in sends:
        own = [of_task[one.id, f"task-{step}"] for step in ("received", "started", "succeeded")]
        fetched, started, ended = (event["timestamp"] - sent for event in own)
        found.append(Fate(fetched, started, ended, by_the_busy=own[1]["hostname"] != helper))
    return found


# %%
other = f"Redis-database@{gethostname()}"
runs = {
    "multiplier 4": fates("lab", helper=other, wake="Redis-database", share=4),
    "multiplier 1": fates("Redis-database", helper=own, wake="lab", share=1),
}

for title, (slow, *quick) in runs.items():
    held = sum(fate.by_the_busy for fate in quick)
    late = sum(fate.ended > slow.ended for fate in quick)
    print(f"{title}: it had fetched {held} quick ones. Ended after the slow one: {late}")

# %% slideshow={"slide_type": "subslide"}
gantt(runs)
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** What the busy worker (orange, hatched) has fetched waits for the slow task,
# though the other (blue) is idle long before. With a multiplier of 1 that happens to one task
# only. Fetching ahead pays where all tasks are quick; where some are slow, set
# `worker_prefetch_multiplier = 1`.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What to break: the broker
#
# Kill the workers, and hand in a photo, so that its message waits. Then kill the broker and start
# it again (`kill -9`). **Is the message still there? And if you stop the broker as Ctrl-C
# would?**


# %% slideshow={"slide_type": "-"}
def one_waits() -> bool:
    """Hand in a photo, and tell whether its message waits."""
    answer = visitor.post("/photos", files={"photo": small})
    return answer.status_code == 202 and broker.llen("lab") == 1  # 503: an old connection


for name in ("worker", "Redis-database"):
    lab.kill(name)
for way in (lab.kill, lab.stop):
    until(one_waits, "a message that waits")
    way("broker")
    lab.start("broker")
    print(f"after {way.__name__}, messages that wait:", broker.llen("lab"))

# %% [markdown] slideshow={"slide_type": "-"}
# Killed, this Redis has lost what came since its last snapshot; the order stays PENDING. Stopped,
# it writes its data to disk first. The lesson's tables say what RabbitMQ does instead.

# %% [markdown]
# That was the lab. Stop it (a restart of the kernel does the same):

# %%
lab.close()
print("still running:", [name for name, service in lab.services.items() if service.running()])

# %% [markdown]
# Next: [chapter 3](03_workflow.ipynb), or this chapter's
# [exercises](../chapters/02_architecture/README.md#exercises).
