# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Chapter 3 · Workflow: later, again, together, every night
#
# The [lesson](../chapters/03_workflow/README.md) as a notebook: the same lab, the same steps, and
# pictures of what can't be seen in a terminal. Run the cells from top to bottom, and answer each
# question before you run the cell below it.

# %%
from event_listener import EventListener
from plots_03 import draw_depth, draw_lateness, draw_tries, draw_work
from session import photos, start, until

lab = start("03", only=["mail"])  # a Redis and the mail server; the worker comes in a moment
print("running:", [name for name, service in lab.services.items() if service.running()])

# %% [markdown]
# ## First of all: letters that will take a while
#
# Section 2.3.3 is about letters that a mail server refuses, and that are sent again and again. That
# takes time, so you send them now, and look at them when you come there.
#
# A worker of their own, `post`, delivers them. It knows a task more,
# [`deliver_without_jitter.py`](deliver_without_jitter.py), and tells what it does in events (`-E`).
# You needn't wait until it is ready: the letters do, in their queue.

# %%
lab.add(
    "post",
    "PYTHONPATH=../../notebooks celery -A make_celery worker --hostname post@%h --queues post"
    " --concurrency 2 --include deliver_without_jitter -E --without-mingle --without-gossip",
)
lab.services["post"].launch()

# %% [markdown]
# The web app runs in this kernel, where you can ask it without a server in between. (And there will
# be no beat: in 2.3.5 you are the clock.)

# %%
import httpx

from make_celery import celery_app, flask_app

flask_app.test_cli_runner().invoke(args=["init-db"])
visitor = httpx.Client(transport=httpx.WSGITransport(app=flask_app), base_url="http://lab")
small = photos(edge=400)
print(visitor.post("/mail/mood", data={"mood": "refuses"}).json())

# %%
from lab.post import Letter, write

listener = EventListener(celery_app)  # collects events, until it is stopped
letters: dict[str, list[str]] = {"tasks.deliver": [], "tasks.deliver_without_jitter": []}
with flask_app.app_context():
    for task, ids in letters.items():
        for number in range(12):
            ids.append(f"{task}-{number}")
            write(Letter(id=ids[-1], to="you@example.com", subject=ids[-1], text="How are you?"))
posted = {
    task: [celery_app.send_task(task, [letter], queue="post") for letter in ids]
    for task, ids in letters.items()
}
print({task: len(sent) for task, sent in posted.items()})

# %% [markdown]
# Now the lab's own worker.

# %%
lab.start("worker")
print("running:", [name for name, service in lab.services.items() if service.running()])

# %% [markdown]
# ## 2.3.1 Creation: three steps
#
# Decorate, send, deliver. Two things tell of a task: *events*, which a worker sends to whoever
# listens (you switch them on), and *states*, which the result backend stores. `listener` sends a
# task by its name and notes both, as the lesson's [`watch.py`](../chapters/03_workflow/watch.py)
# does.
#
# **Which events, and which states, has a task that adds two numbers?**

# %%
import socket

WORKER = f"celery@{socket.gethostname()}"  # the lab's, not `post`
celery_app.control.enable_events(destination=[WORKER], reply=True)

watched = listener.watch("tasks.my_task", 20, 22)
print("events:", watched.events)
print("stored:", watched.stored)
print("result:", watched.result)

# %% [markdown]
# Nothing was stored when the message was sent, nor when it was received: to Celery, an order that
# waits looks like one that never was.
#
# **Four ways to send.** `my_task` takes two numbers. Give it three.
#
# **Who will notice, and where?**

# %%
from lab.tasks import my_task

try:
    my_task.delay(1, 2, 3)  # type: ignore[call-arg]
except TypeError as error:
    print("delay, here:", error)
try:
    my_task.apply_async(args=(1, 2, 3))
except TypeError as error:
    print("apply_async, here:", error)
print("s, nobody yet:", my_task.s(1, 2, 3))
sent = celery_app.send_task("tasks.my_task", args=(1, 2, 3))
print("send_task, at the worker:", repr(sent.get(timeout=30, propagate=False)))

# %% [markdown]
# **Arguments travel as JSON.** JSON has lists, but no tuples, and no sets.
#
# **What will become of a set? And of two tuples that are added?**

# %%
from kombu.exceptions import EncodeError

try:
    celery_app.send_task("tasks.my_task", [{1, 2}, 3])
except EncodeError as error:
    print("EncodeError:", error)
print(celery_app.send_task("tasks.my_task", [(1,), (2,)]).get(timeout=30))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Step 3: "the broker hands it to a free worker". And if none is free?
#
# Then it waits: in a list in Redis, which is called after the queue, `lab`. You send tasks as fast
# as one thread can, and count what waits.
#
# **How many will wait, if you send 300 at once? And if you send them at a third of the rate at
# which the worker does them?**

# %%
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from redis import Redis

redis: Any = Redis.from_url(celery_app.conf.broker_url)


def depth() -> tuple[int, int]:
    """Count the messages of the queue `lab`: those that wait, those that the worker has fetched."""
    fetched = redis.hvals("unacked")
    return redis.llen("lab"), sum(message.endswith(b'"lab"]') for message in fetched)


def send(number: int, rate: float) -> float:
    """Send tasks, so many a second at most, and return the seconds that this took."""
    begun = time.perf_counter()
    for sent in range(number):
        my_task.apply_async((20, 22), ignore_result=True)
        time.sleep(max(0, begun + sent / rate - time.perf_counter()))
    return time.perf_counter() - begun


def outrun(number: int, rate: float) -> tuple[list[tuple[float, int, int]], float]:
    """Send tasks, and count until all are done; return the counts, and the seconds of sending."""
    counts = []
    with ThreadPoolExecutor() as others:
        begun, sending = time.perf_counter(), others.submit(send, number, rate)

        def look() -> bool:
            all_sent, found = sending.done(), depth()
            counts.append((time.perf_counter() - begun, *found))
            return all_sent and found == (0, 0)

        until(look, "an empty queue")  # it looks every 20 ms
    return counts, sending.result()


# %%
NUMBER = 300

celery_app.control.disable_events(destination=[WORKER])  # telling of each costs time
fast, fast_stopped = outrun(NUMBER, rate=float("inf"))
rate = NUMBER / fast[-1][0]  # what the worker did, in tasks a second
slow, slow_stopped = outrun(round(rate / 4), rate=rate / 3)

most, few = (max(waiting for _, waiting, _ in counts) for counts in (fast, slow))
print("as fast as possible, more than a quarter of them waited:", most > NUMBER / 4)
print("at a third of the worker's rate, less than half as many:", few < most / 2)
print("fetched at any time, eight at most:", max(fetched for *_, fetched in fast + slow) <= 8)
print("left in the end:", depth())

# %% slideshow={"slide_type": "subslide"}
draw_depth(
    {
        f"{NUMBER}, as fast as possible ({NUMBER / fast_stopped:.0f}/s)": (fast, fast_stopped),
        f"at a third of the worker's rate ({rate / 3:.0f}/s)": (slow, slow_stopped),
    }
)

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** While more tasks come than the worker can do, the queue grows; when no more are
# sent (dotted), it drains, as fast as the worker works. The worker has fetched only eight at most
# (dashed): four for each of its processes. At a third of its rate it keeps up. A queue evens out a
# rush; it doesn't make the worker faster.

# %% [markdown]
# **Your turn.** `NUMBER = 2000`, and run the last two cells again. How long would the last one
# wait?

# %% [markdown]
# ## 2.3.1 Scheduling: later
#
# A photo is to be published in an hour.
#
# **Where is the message until then: in the queue?**

# %%
from datetime import UTC, datetime, timedelta

visitor.post("/photos", files={"photo": small[0]})
photo, *_ = visitor.get("/photos").json()["photos"]
in_an_hour = datetime.now(UTC) + timedelta(hours=1)
publication = visitor.post(photo["publish"], data={"at": in_an_hour.isoformat()}).json()

worker = celery_app.control.inspect(destination=[WORKER], timeout=30)


def scheduled() -> dict[str, dict[str, Any]]:
    """Ask the worker for the tasks whose time it waits for."""
    return {held["request"]["id"]: held for held in (worker.scheduled() or {}).get(WORKER, [])}


until(lambda: publication["id"] in scheduled(), "the publication")
print("in the queue:", redis.llen("lab"))
print("in the worker:", scheduled()[publication["id"]]["request"]["name"])

# %% [markdown]
# In the worker, which has taken it at once, and holds it. So taking it back means to tell the
# worker, and to write it down, for a worker that wasn't there to be told:

# %%
print(visitor.delete(publication["status"]).json()["state"])

# %% [markdown]
# Without the lab around it, `revoke` shows only when the time comes: the worker drops the task
# then. A task that has expired fares the same.
#
# **Both would have added two numbers. What is stored in place of 42?**

# %%
revoked = my_task.apply_async((20, 22), countdown=0.3)
revoked.revoke()
expired = my_task.apply_async((20, 22), countdown=0.3, expires=0.1)
for result in revoked, expired:
    print(result.get(timeout=30, propagate=False), result.state)

# %% [markdown]
# **In a minute, on whose clock?** People in three cities look at their clocks, and each wants a
# task to run in a minute. They send the time without its zone.
#
# **When will the worker begin each one?**

# %%
from zoneinfo import ZoneInfo


def in_a_minute(city: str) -> str:
    """Send a task that is due in a minute, by a clock in a city; return when it will begin."""
    naive = (datetime.now(ZoneInfo(city)) + timedelta(minutes=1)).replace(tzinfo=None)
    result = my_task.apply_async((20, 22), eta=naive)
    until(lambda: result.id in scheduled() or result.ready(), "a task that is held, or done")
    held = scheduled().get(result.id)
    if held is None:
        return "it has run already"
    eta = datetime.fromisoformat(held["eta"])
    result.revoke()
    return f"in {(eta - datetime.now(UTC)) / timedelta(hours=1):.1f} hours"


for city in "Asia/Shanghai", "Asia/Kolkata", "America/Bogota":
    print(f"{city}: {in_a_minute(city)}")

# %% [markdown]
# The worker takes a naive time for UTC. With its zone (`datetime.now(UTC) + …`, or `countdown=60`)
# each would have been right.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How punctual is an ETA?
#
# Thirty tasks are due at set times, one each 40 ms. The worker has nothing else to do.
#
# **How late will they begin? Will any begin early?**

# %%
from statistics import median

celery_app.control.enable_events(destination=[WORKER], reply=True)
first = datetime.now(UTC) + timedelta(seconds=0.5)
etas = [first + timedelta(milliseconds=40) * number for number in range(30)]
on_time = [my_task.apply_async((20, 22), eta=eta) for eta in etas]
starts = listener.starts([result.id for result in on_time])
planned = [eta.timestamp() for eta in etas]
late = [1000 * (began - eta) for (began,), eta in zip(starts, planned, strict=True)]  # ms
print("none began early:", min(late) >= 0)
print("half of them began within a quarter of a second:", median(late) < 250)

# %% slideshow={"slide_type": "subslide"}
draw_lateness([eta - planned[0] for eta in planned], late)

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** Each mark is a task: right is later, high is less punctual. None began before
# its time. An ETA is the *earliest* time, and what it is late by is what the machine had to do
# besides.

# %% [markdown]
# **Your turn.** Give the worker something else to do. Put these lines before the one that begins
# with `starts`, run both cells again, and see what becomes of being on time:
#
# ```python
# for photo in small * 3:
#     visitor.post("/photos", files={"photo": photo})
# ```

# %% [markdown]
# ## 2.3.2 Progress, and an end to it
#
# An album of three photos, which are developed. Then the lab packs it as a zip file.
#
# **Which states will be stored?**

# %%
import io

from PIL import Image


def new_album(name: str, pictures: list[bytes]) -> str:
    """Make an album, put photos into it, and return its address."""
    answer = visitor.post("/albums", data={"name": name, "email": "you@example.com"})
    album: str = answer.json()["status"]
    for picture in pictures:
        visitor.post(f"{album}/photos", files={"photo": picture})
    return album


def panorama(photo: bytes) -> bytes:
    """Cut a strip out of a photo: the packing of whole ones takes a second each."""
    with Image.open(io.BytesIO(photo)) as image:
        file = io.BytesIO()
        image.crop((0, 100, image.width, 140)).save(file, "JPEG")
    return file.getvalue()


album = new_album("Holiday", [panorama(photo) for photo in small[:3]])
photo_ids = [photo["id"] for photo in visitor.get(album).json()["photos"]]
developed = [celery_app.send_task("tasks.try_to_develop", [photo]) for photo in photo_ids]
print("developed:", len([result.get(timeout=30) for result in developed]))
album_id = album.rpartition("/")[2]
watched = listener.watch("tasks.pack", album_id)
print("events:", watched.events)
print("stored:", watched.stored)

# %% [markdown]
# `PROGRESS` is the task's own state, one for each photo; no event tells of it. And it looks, before
# each photo, whether it was taken back:


# %%
def ended(address: str) -> str:
    """Wait for the end of an order, and return its state."""
    ends = "SUCCESS", "FAILURE", "REVOKED"
    until(lambda: visitor.get(address).json()["state"] in ends, f"an end of {address}")
    state: str = visitor.get(address).json()["state"]
    return state


order = visitor.post(f"{album}/zip").json()
visitor.delete(order["status"])
print(ended(order["status"]))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.3.3 UserError: a mail server with moods
#
# The mail server has refused 24 letters since you began. Twelve were sent by the lab's own
# `deliver`, with `retry_jitter=True`; twelve by the same task without. Both back off: they wait up
# to 1 s, 2 s, 4 s, …
#
# **At which seconds did the mail server see each dozen?**

# %%
tries = {
    task: listener.starts([result.id for result in sent], times=4) for task, sent in posted.items()
}
print("letters tried four times:", sum(map(len, tries.values())))


def after(task: str, number: int) -> list[float]:
    """Return how many seconds after its first try each letter was tried for the n-th time."""
    return [times[number - 1] - times[0] for times in tries[task]]


for number in 2, 3, 4:
    typical = int(median(after("tasks.deliver_without_jitter", number)))
    print(f"without jitter, try {number} comes {typical} s after the first")
spread = {task: max(after(task, 4)) - min(after(task, 4)) for task in tries}
print(
    "with jitter, try 4 is spread wider:",
    spread["tasks.deliver"] > spread["tasks.deliver_without_jitter"],
)

# %%
from celery.utils.time import get_exponential_backoff_interval

for retries in range(3):
    drawn = {get_exponential_backoff_interval(1, retries, 60, full_jitter=True) for _ in range(999)}
    print(f"wait {retries + 1}, with jitter, in seconds: one of", sorted(drawn))

# %% slideshow={"slide_type": "subslide"}
draw_tries(
    {
        "without jitter": tries["tasks.deliver_without_jitter"],
        "with jitter": tries["tasks.deliver"],
    }
)

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** A row is a letter, a mark one of its first four tries. Without jitter all of
# them come back together, after 1, 3 and 7 seconds: who was refused together is refused together
# again. With jitter they spread, though only by whole seconds, since that is what Celery draws; and
# 0 is one of them, so that some are tried again at once.

# %% [markdown]
# They go on like that for a few minutes, and then give up. Now another letter, and the mail
# server's mood changes.
#
# **What becomes of a letter that was refused?**

# %%
with flask_app.app_context():
    write(Letter(id="another", to="you@example.com", subject="Another", text="How are you now?"))
letter = celery_app.send_task("tasks.deliver", ["another"])


def refusal() -> str:
    """Return why the letter is to be tried again, if it is."""
    stored = letter.info
    return str(stored) if isinstance(stored, Exception) else ""


print(until(refusal, "a refusal"))
visitor.post("/mail/mood", data={"mood": "takes"})
delivered = letter.get(timeout=30)
print("delivered:", delivered["letter"], "| tried more than once:", delivered["tries"] > 1)

# %% [markdown]
# **A task that is retried may run twice.** Send that letter again.
#
# **How many copies will there be?**

# %%
again = celery_app.send_task("tasks.deliver", ["another"]).get(timeout=30)
print("tries more:", again["tries"] - delivered["tries"])
mails = visitor.get("/mail").json()["letters"]
print("copies:", [mail["copies"] for mail in mails if mail["subject"] == "Another"])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.3.4 Together: an album
#
# A chord: eight photos, and when all of them are developed, the sheet, then the letter. The worker
# has two processes.
#
# **What will each process do, and when? Which one lays out the sheet?**

# %%
import re

album = new_album("Big", (small + small)[:8])
visitor.post(f"{album}/orders")
print(ended(album), visitor.get(album).json()["progress"])

# %% [markdown]
# The worker's log says which process did what, how long it took, and when it was written; the
# result backend, when the result was stored.

# %%
LOGGED = re.compile(
    r"\[(.+): INFO/ForkPool(.+)\] Task (tasks\.\w+)\[(.+)\] succeeded in ([\d.e-]+)s"
)
NAMES = {"tasks.try_to_develop": "photo", "tasks.sheet": "sheet", "tasks.deliver": "letter"}


def works(task_ids: set[str]) -> list[tuple[str, str, float, float]]:
    """Return which task each process did, from when until when."""
    found = []
    for at, process, name, task_id, took in LOGGED.findall("\n".join(lab.log.lines("worker"))):
        if task_id in task_ids:
            begun = datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f").timestamp() - float(took)
            done: datetime = celery_app.AsyncResult(task_id).date_done
            found.append((NAMES[name], process, begun, done.timestamp()))
    return found


task_ids = {order["id"] for order in visitor.get(album).json()["orders"]}
done = until(lambda: found if len(found := works(task_ids)) == 10 else [], "ten tasks in the log")
developed_by = {process for name, process, _, _ in done if name == "photo"}
last_photo = max(end for name, _, _, end in done if name == "photo")
(sheet,) = [(begun, end) for name, _, begun, end in done if name == "sheet"]
(letter_begun,) = [begun for name, _, begun, _ in done if name == "letter"]
print("tasks:", len(done))
print("both processes developed photos:", len(developed_by) == 2)
print("the sheet began after the last photo was done:", sheet[0] > last_photo)
print("the letter began after the sheet had begun:", letter_begun > sheet[0])

# %% slideshow={"slide_type": "subslide"}
draw_work(sorted(done, key=lambda work: work[1]))

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** A row is a process, a bar a task. Each process takes the next photo when it has
# done one. The sheet waits for the last of them, wherever that is; the letter waits for the sheet.
# No process waits for another meanwhile: whoever is done last sends the next message.

# %% [markdown]
# **One broken photo.** Half a photo comes into the first album, and `develop` itself into a chord's
# header.
#
# **What happens to the three good photos, and to the sheet?**

# %%
from celery import chord

from lab.tasks import develop
from lab.workflow import sheet as lay_out

album = f"/albums/{album_id}"
visitor.post(f"{album}/photos", files={"photo": small[4][: len(small[4]) // 2]})
broken = [photo["id"] for photo in visitor.get(album).json()["photos"]]
spoiled = chord([develop.s(photo_id) for photo_id in broken], lay_out.s(album_id))()
print(type(spoiled.get(timeout=30, propagate=False)).__name__)
print([result.state for result in spoiled.parent])  # type: ignore[union-attr]

# %% [markdown]
# Three are developed, and nobody gets a sheet. In the lab's own workflow a photo that can't be read
# is a result, too:

# %%
visitor.post(f"{album}/orders")
print(ended(album))
mail, *_ = [m for m in visitor.get("/mail").json()["letters"] if m["subject"] == "Album: Holiday"]
print(mail["text"].strip())

# %% [markdown]
# ## 2.3.5 Every night: beat
#
# Beat reads a schedule, and sends what is due. You ask the same schedule, with a clock of your own:
# it is the last Friday of March 2027, ten in the evening.
#
# **When will each entry be due next, and after that?**

# %%
from copy import deepcopy

from celery import Celery
from celery.schedules import maybe_schedule

from lab.schedule import SCHEDULE


def next_times(name: str, moment: datetime, timezone: str) -> list[datetime]:
    """Return the next three times at which an entry is due, with that setting `timezone`."""
    app, entry = Celery(timezone=timezone, set_as_current=False), SCHEDULE[name]
    schedule: Any = maybe_schedule(deepcopy(entry["schedule"]), app=app)  # type: ignore[arg-type]
    times = [moment]
    for _ in range(3):
        schedule.nowfun = lambda: times[-1]
        times.append(times[-1] + schedule.remaining_estimate(times[-1]))
    return times[1:]


friday = datetime(2027, 3, 26, 22, tzinfo=UTC)
for name, entry in SCHEDULE.items():
    print(f"{entry['task']:15}", *(f"{time:%a %H:%M}" for time in next_times(name, friday, "UTC")))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Half past seven, in Berlin
#
# **With `timezone` set to Berlin, where summer time begins on that Sunday: when is the report due,
# in UTC?**

# %% slideshow={"slide_type": "fragment"}
berlin = ZoneInfo("Europe/Berlin")
for due in next_times("report", friday, "Europe/Berlin"):
    print(f"{due.astimezone(UTC):%a %H:%M} UTC, {due.astimezone(berlin):%H:%M} in Berlin")

# %% [markdown]
# **Your turn.** Put an entry of your own into the schedule, below its import, and run the two cells
# again. (A field that isn't given means *every*. How often is tea?)
#
# ```python
# from celery.schedules import crontab
#
# tea = crontab(hour=16, day_of_week="mon-fri")
# SCHEDULE["tea"] = {"task": "tasks.count", "schedule": tea}
# ```

# %% [markdown]
# You needn't wait for the night to see what a task of the night does. Somebody's worker was killed
# long ago, and has left half a file behind:

# %%
import os
from pathlib import Path

left_behind = Path(flask_app.config["DIR"], "albums", "old.part")
left_behind.write_bytes(bytes(50_000))
os.utime(left_behind, (0, 0))  # last touched in 1970
print(celery_app.send_task("tasks.clean_up").get(timeout=30))
print("still there:", left_behind.exists())

# %% [markdown]
# The report may be sent twice, by two beats, or by you.
#
# **How many reports will arrive?**

# %%
reports = [celery_app.send_task("tasks.report").get(timeout=30) for _ in range(2)]
print("the second time:", reports[1].partition(" was ")[2])
until(lambda: "Report" in visitor.get("/mail").text, "the report")
print([m["copies"] for m in visitor.get("/mail").json()["letters"] if "Report" in m["subject"]])

# %% [markdown]
# ## The end
#
# Some letters of the beginning may still wait for their next try. They go with their worker.
# (`lab.close()` alone would do; but it lets workers finish what they do, and that takes two
# seconds.)

# %%
lab.kill("post")
lab.kill("worker")
listener.stop()
lab.close()
print("running:", [name for name, service in lab.services.items() if service.running()])

# %% [markdown]
# Next: this chapter's [exercises](../chapters/03_workflow/README.md#exercises).
