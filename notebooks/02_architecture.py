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
# and plots of what passes between its parts. Run the cells from top to bottom. Answer each question
# before you run the cell below it. (Your times will be other ones than those printed here.)

# %%
from helpers_02 import (
    EventListener,
    Race,
    connections,
    counted,
    moments_of,
    recorded,
    results_at,
    start_database_worker,
)
from plots_02 import gantt, journey, waits
from session import final_status, photos, start, until

lab = start("02")  # what `make run CHAPTER=02` starts: a Redis, the web server, a worker
print("running:", ", ".join(lab.services))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.2 Before the parts: a factory
#
# `create_app` makes an app when it is called, and another one if you call it again. Make two.
#
# **How many connections does that open? And to which of the two does the shared task belong?**

# %% slideshow={"slide_type": "-"}
from lab import create_app
from lab.tasks import develop

before = connections(lab.broker_url)  # of the workbench, which asked whether the worker is ready
app = create_app()
theirs = create_app({"CELERY": {"task_default_queue": "lab-2"}})
print("new connections:", connections(lab.broker_url) - before)

for each in (app, theirs):
    with each.app_context():
        print("current app's queue:", each.extensions["celery"].conf.task_default_queue, end="; ")
        print("the task's queue:", develop.app.conf.task_default_queue)

# %% [markdown] slideshow={"slide_type": "-"}
# None. An app connects when somebody asks it for something. The queues differ, so the settings are
# not shared. And the task belongs to the app whose context is there.
#
# Now upload a photo, as a visitor does. The order is written down as a row, before the task is
# sent.

# %%
import httpx

from lab.db import db
from lab.models import Order, Photo

visitor = httpx.Client(base_url=lab.url, timeout=60)
small = photos(edge=400)[0]


def upload() -> str:
    """Upload a small photo, and return the id of its order."""
    answer = visitor.post("/photos", files={"photo": ("dunes.jpg", small)})
    return str(answer.raise_for_status().json()["id"])


first = upload()
with app.app_context():
    order = db.session.get_one(Order, first)
    print("the row says:", order.task, "of", order.photo and order.photo.name)
final_status(f"{lab.url}/tasks/{first}")

# %% [markdown]
# Why written down *and committed* first? Here is the other order. **What does the worker find?**

# %%
with app.app_context():
    db.session.add(Photo(id="too early", name="too early"))
    db.session.flush()  # written, but in a transaction: nobody else sees it
    print(repr(develop.delay("too early").get(timeout=60, propagate=False)))
    db.session.rollback()

# %% [markdown]
# ### Trap 1: `celery -A` wants a Celery app
#
# The module `traps.wrong_app` has two names: `app`, the Flask app, and `celery_app`. `find_app` is
# what `celery -A` calls with the name that you give. **What does it find in each of these?**

# %%
from celery.app.utils import find_app

for name in ("traps.wrong_app", "lab:create_app", "traps.wrong_app:celery_app", "make_celery"):
    print(f"celery -A {name}: a", type(find_app(name)).__name__)

# %% [markdown]
# In a module it looks for the name `app` first. And it doesn't call a factory. The first two end
# with "object has no attribute 'user_options'". That is why the lab has the small module
# `make_celery.py`.
#
# ### Trap 2: no application context
#
# A Celery app that was made apart from the factory knows the same task: `shared_task` gives it to
# every Celery app. **Which sentence does the task fail with, and why not with the factory's app?**

# %%
from celery import Celery

apart = Celery("apart", set_as_current=False)
for celery in (apart, app.extensions["celery"]):
    try:
        celery.tasks["tasks.develop"]("any id")
    except Exception as error:
        print(f"{celery.main}: {type(error).__name__}: {str(error).splitlines()[0]}")

# %% [markdown]
# The factory's app runs the task in the Flask app's context, and so it can ask the database. (There
# is no photo with that id.)
#
# ### Trap 3: a name that isn't registered
#
# All that the sender and the worker have in common is the task's name. **Who complains about a
# wrong one: the sender when it sends, or the worker when it looks?**

# %%
celery = app.extensions["celery"]
misnamed = celery.send_task("lab.tasks.develop")  # the module's name for it: ours is tasks.develop
print("sent, with the id", misnamed.id)
failure = misnamed.get(timeout=60, propagate=False)
print(f"{type(failure).__name__}: {failure}")

# %% [markdown]
# The worker. Ask it which names it knows:

# %%
from celery.utils.nodenames import gethostname

own = f"celery@{gethostname()}"  # the lab's own worker
print(*celery.control.inspect([own], timeout=30).registered()[own])

# %% [markdown]
# ### Trap 4: two apps on one queue
#
# Somebody starts a second lab, with another folder and another database, on your Redis. Your own
# worker is stopped. **What becomes of a photo that you upload now?**

# %%
lab.stop("worker")
their_folder = lab.folder / "another"
create_app({"DIR": their_folder}).test_cli_runner().invoke(args=["init-db"])
their_worker = "celery -A make_celery worker -n another@%h --pool solo --without-mingle"
lab.add("another", f"LAB_DIR={their_folder} {their_worker}")
lab.start("another")
status = final_status(f"{lab.url}/tasks/{upload()}")
print(status["state"], status["error"])
lab.stop("another")

# %% [markdown]
# Their worker took your message, and looked for the photo in their database. The remedy is a queue
# for each app.

# %% [markdown]
# ## 2.2.1 Core components: follow one photo
#
# Your worker is still stopped, so that you can look at each of the four parts, one at a time.
# Upload a photo.
#
# **The broker. Where is the order now, and how large is it, compared with the photo?**

# %%
from typing import Any

from redis import Redis

broker: Any = Redis.from_url(lab.broker_url, decode_responses=True)
second = upload()

print("messages in the list 'photos':", broker.llen("photos"))
[text] = broker.lrange("photos", 0, -1)
print(f"the message: {len(text) / 1000:.0f} kB; the photo: {len(small) / 1000:.0f} kB")

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

print("body:", args, kwargs)
print("headers:", {name: headers[name] for name in ("task", "id", "retries", "timelimit")})
print("properties:", properties["delivery_info"], "delivery_mode", properties["delivery_mode"])
with app.app_context():
    photo_id = db.session.get_one(Order, second).photo_id
    print("the order's id:", second, "- its photo's:", photo_id)

# %% [markdown]
# The body: the photo's id. The order's id is in the headers, since it is the task's id.
#
# **Your turn.** Send something else meanwhile, or several things. **Which end of the list do they
# join, and which end will the worker take from?**

# %%
another = celery.send_task("tasks.my_task", [2, 3])
print(*(json.loads(text)["headers"]["task"] for text in broker.lrange("photos", 0, -1)))

# %% [markdown]
# Sent on the left, taken on the right: first come, first served.
#
# **The worker.** Start it. It takes the messages, and develops the photo. **What is left in the
# broker?**

# %%
lab.start("worker")
print(final_status(f"{lab.url}/tasks/{second}")["state"], another.get(timeout=60))
print("in the list:", broker.llen("photos"), "- fetched by a worker:", broker.hlen("unacked"))

stats = celery.control.inspect([own], timeout=30).stats()[own]
print("processes:", stats["pool"]["max-concurrency"], "- may fetch:", stats["prefetch_count"])
print("done since it started:", *sorted(stats["total"]))

# %% [markdown]
# **The result backend** keeps state and result under a key that is named after the id. **For how
# long?**

# %%
backend: Any = Redis.from_url(lab.result_backend, decode_responses=True)
key = f"celery-task-meta-{second}"
kept = json.loads(backend.get(key) or "{}")
print({name: kept[name] for name in ("status", "result")}, "and:", *sorted(kept.keys()))
print("hours left:", round(backend.ttl(key) / 3600, 1))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A message's journey
#
# Now watch one message on its way. There are two witnesses, with clocks that agree. Redis is both
# broker and backend here, and tells each command that it gets (`MONITOR`). Sender and worker tell
# what they do (Celery's *events*; the sender's app says `task_send_sent_event`).
#
# **In what order: the worker begins, the message is acknowledged, the photo is developed?**

# %%
import time

caller = create_app({"CELERY": {"task_send_sent_event": True}}).extensions["celery"]
caller.send_task("tasks.my_task", [20, 22]).get(timeout=60)  # opens the connections
caller.control.enable_events([own], reply=True)
listener = EventListener(caller, broker)

with recorded(broker) as commands:
    called = time.time()
    result = caller.send_task("tasks.develop", [photo_id])
    result.get(timeout=60)
    done_at = time.time()
    until(lambda: listener.of(result.id, "task-succeeded"), "the last event")
listener.stop()

moments = moments_of(result.id, commands, listener.of(result.id))
moments |= {"send_task()": called, ".get() returns": done_at}

# %% slideshow={"slide_type": "subslide"}
from matplotlib import pyplot as plt

journey({step: 1000 * (moment - called) for step, moment in moments.items()})
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** Messages go between Flask, broker, worker and result backend; time goes down.
# Solid arrows were observed, at the time on the left. Dashed arrows must have happened before the
# next solid one. The rows are evenly spaced. The scale on the right is true: nearly all of the time
# is the photo's. The worker acknowledges the message (HDEL) when it *begins*: the broker has
# forgotten it while the photo is being developed. The yellow bar is the time between the two.

# %%
for step in ("LPUSH", "HSET unacked", "HDEL unacked", "SETEX SUCCESS", ".get() returns"):
    print(f"{step}: {1000 * (moments[step] - called):.1f} ms")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.2.2 Brokers and result backends: exchange them
#
# The lab's code names a broker and a backend only as a default; two environment variables beat
# it. So start a second worker, whose results are rows in a database, with a queue of its own. Send
# the smallest task to each worker, and wait for its result, twenty times.
#
# **A worker tells Redis, and Redis tells whoever subscribed. What does somebody do who waits for
# a row in a database?**

# %%
database = start_database_worker(lab)


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
# Who waits for a row asks again and again: every half second, if nobody says otherwise.
#
# **Your turn.** Ask more often, or more rarely: change `OFTEN`, and run this cell again.

# %%
from statistics import median

OFTEN, BY_DEFAULT = 0.01, 0.5  # seconds between two questions

sender = create_app().extensions["celery"]
trips = {"Redis": round_trips(sender, "photos", 20, OFTEN)}

with results_at(database):
    sender = create_app().extensions["celery"]
    round_trips(sender, "database", 1, OFTEN)  # the first one waits for the worker to start
    asked_often = round_trips(sender, "database", 20, OFTEN)
    trips[f"database, asked every {OFTEN:g} s"] = asked_often
    trips["database, by default every 0.5 s"] = round_trips(sender, "database", 3, BY_DEFAULT)

for name, seconds in trips.items():
    print(f"{name}: {1000 * median(seconds):.0f} ms")

# %% slideshow={"slide_type": "subslide"}
waits(trips)
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** Each mark is one round trip, the bar is their median: send `tasks.my_task`,
# have a worker add two numbers, read the result. Blue: Redis tells who waits. Orange: who waits
# asks the database. By default (hollow) that takes half a second, however quick the task was:
# unless the result is there at the first look, the next look comes 0.5 s later. Asked more often, a
# database is nearly as quick, and has more work.
#
# The broker hardly matters: `python -m measurements.round_trips` does the same with RabbitMQ.

# %% [markdown]
# With Redis a result is a key that goes away. **And with a database?**

# %%
import sqlite3

with sqlite3.connect(database.removeprefix("db+sqlite:///")) as connection:
    rows = connection.execute("SELECT status, task_id FROM celery_taskmeta").fetchall()
print(f"rows that stay: {len(rows)} tries,", *{status for status, _ in rows})

# %% [markdown]
# A row for each try. Nothing takes them away, until beat does (chapter 3).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What to break: a worker that is busy
#
# A worker fetches messages before it needs them: by default four for each of its processes
# (`worker_prefetch_multiplier`). Two workers with one process each. One of them gets a slow task,
# and behind it eight quick ones in the same queue. Then the other comes and helps, with nothing
# else to do.
#
# **How many of the quick ones wait for the slow one all the same? And with a multiplier of 1?**

# %%
from lab.storage import photo_path

with app.app_context():
    db.session.merge(Photo(id="large", name="without an order"))
    db.session.commit()
    photo_path("large").write_bytes(photos(edge=1000)[0])
celery.control.pool_shrink(1, [own], reply=True)  # the lab's own worker had two processes

race, other = Race(celery, broker), f"database@{gethostname()}"
fates = {
    "multiplier 4": race.run("photos", helper=other, wake="database", share=4),
    "multiplier 1": race.run("database", helper=own, wake="photos", share=1),
}
counted(fates)

# %% slideshow={"slide_type": "subslide"}
gantt(fates)
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** What the busy worker (orange, hatched) has fetched waits for the slow task,
# though the other (blue) is idle long before. With a multiplier of 1 that happens to one task
# only. To fetch many is good where all tasks are quick; where some are slow, set
# `worker_prefetch_multiplier = 1`.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What to break: the broker
#
# Kill the workers, and upload a photo, so that its message waits. Then kill the broker and start
# it again (`kill -9`). **Is the message still there? And if you stop the broker as Ctrl-C
# would?**


# %% slideshow={"slide_type": "-"}
def one_waits() -> bool:
    """Upload a photo, and tell whether its message waits."""
    answer = visitor.post("/photos", files={"photo": small})
    return answer.status_code == 202 and broker.llen("photos") == 1  # 503: an old connection


for name in ("worker", "database"):
    lab.kill(name)
for way in (lab.kill, lab.stop):
    until(one_waits, "a message that waits")
    way("broker")
    lab.start("broker")
    print(f"after {way.__name__}, messages that wait:", broker.llen("photos"))

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
