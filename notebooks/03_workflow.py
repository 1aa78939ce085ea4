# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Chapter 3 · Workflow: one task, in time
#
# The [lesson](../chapters/03_workflow/README.md) as a notebook: the same lab, the same steps, and
# pictures of what a terminal can't show. Run the cells from top to bottom, and answer each question
# before you run the cell below it.

# %%
from outrun_03 import depth, outrun
from plots_03 import draw_depth, draw_lateness, draw_tries
from session import photos, start, until

lab = start("03", only=["mail"])  # a Redis and the mail server; the worker comes in a moment
print("running:", [name for name, service in lab.services.items() if service.running()])

# %% [markdown]
# ## First of all: letters that will take a while
#
# Section 2.3.2 is about letters that a mail server refuses, and that are sent again and again. That
# takes time. So you send them now, and look at them later.
#
# A worker of their own, `post`, delivers them. It knows one more task,
# [`deliver_without_jitter.py`](deliver_without_jitter.py), and sends events (`-E`). You needn't
# wait until it is ready: the letters wait in their queue.

# %%
lab.add(
    "post",
    "PYTHONPATH=../../notebooks celery -A make_celery worker --hostname post@%h --queues post"
    " --concurrency 2 --include deliver_without_jitter -E --without-mingle --without-gossip",
)
lab.services["post"].launch()

# %% [markdown]
# The web app runs in this notebook, so you can ask it without a server. There is no beat: in 2.3.3
# you turn the clock.

# %%
import httpx

from make_celery import celery_app, flask_app

flask_app.test_cli_runner().invoke(args=["init-db"])
visitor = httpx.Client(transport=httpx.WSGITransport(app=flask_app), base_url="http://lab")
small = photos(edge=400)
print(visitor.post("/mail/behaviour", data={"behaviour": "refuses"}).json())

# %%
from lab.letters import write_letter
from lab.models import Letter
from support.event_listener import EventListener, watch_task

listener = EventListener(celery_app)  # collects events, until it is stopped
letters: dict[str, list[str]] = {"tasks.deliver": [], "tasks.deliver_without_jitter": []}
with flask_app.app_context():
    for task, ids in letters.items():
        for number in range(12):
            ids.append(f"{task}-{number}")
            write_letter(Letter(id=ids[-1], to="you@example.com", subject=ids[-1], text="Hello"))
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
# Decorate, call, hand over. You can watch a task in two ways: *events*, which a worker sends to
# programs that listen now (you switch them on), and *states*, which the result backend stores.
#
# **Which events, and which states, has a task that adds two numbers?**

# %%
import socket

WORKER = f"celery@{socket.gethostname()}"  # the lab's, not `post`
celery_app.control.enable_events(destination=[WORKER], reply=True)

watched = watch_task(listener, celery_app, "tasks.my_task", [20, 22])
print("events:", watched.events)
print("stored:", watched.stored)
print("result:", watched.result)

# %% [markdown]
# Nothing was stored when the message was sent, nor when it was received. To Celery, an order that
# waits looks like one that nobody placed.
#
# **Four ways to send.** `my_task` takes two numbers. Give it three.
#
# **Who will notice, in each of the four ways?**

# %%
from collections.abc import Callable
from typing import Any

from lab.tasks import my_task


def outcome(call: Callable[[], Any]) -> str:
    """Make a call; return what it returns, or the error that it raises here."""
    try:
        return repr(call())
    except TypeError as error:
        return f"TypeError: {error}"


print("delay:      ", outcome(lambda: my_task.delay(1, 2, 3)))  # type: ignore[call-arg]
print("apply_async:", outcome(lambda: my_task.apply_async((1, 2, 3))))
print("s:          ", outcome(lambda: my_task.s(1, 2, 3)))
sent = celery_app.send_task("tasks.my_task", (1, 2, 3))
print("send_task:  ", type(sent).__name__, "then", repr(sent.get(timeout=30, propagate=False)))

# %% [markdown]
# `delay` and `apply_async` raise here, before a message leaves. `s` only writes the call down.
# `send_task` doesn't have the function: its message leaves, and the worker fails.
#
# **Arguments travel as JSON.** JSON has lists, but no tuples, and no sets.
#
# **What becomes of a set? And of two tuples that are added?**

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
# Then it waits in the queue, a list in Redis. `outrun` sends tasks and counts the messages every
# 20 ms, until all are done: those that wait, and those that the worker has fetched.
#
# **How many wait, if you send 300 as fast as you can? And if you send them at a third of the rate
# at which the worker does them?**

# %%
from redis import Redis

NUMBER = 300

redis: Any = Redis.from_url(celery_app.conf.broker_url)
celery_app.control.disable_events(destination=[WORKER])  # to send them costs time

fast = outrun(redis, my_task, NUMBER)
worker_rate = NUMBER / fast.seconds  # tasks a second
slow = outrun(redis, my_task, round(worker_rate / 4), rate=worker_rate / 3)
print("as fast as possible, the longest queue:", fast.longest, "messages")
print("at a third of the rate, the longest queue:", slow.longest, "messages")
print("fetched at most:", max(fast.fetched, slow.fetched), "messages")
print("waiting and fetched in the end:", depth(redis))

# %% slideshow={"slide_type": "subslide"}
draw_depth(
    {
        f"{NUMBER}, as fast as possible ({NUMBER / fast.sent_after:.0f}/s)": fast,
        f"at a third of the worker's rate ({worker_rate / 3:.0f}/s)": slow,
    }
)

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** While more tasks come than the worker can do, the queue grows. When no more are
# sent (dotted), it shrinks, as fast as the worker works. The worker has fetched eight at most
# (dashed): four for each of its processes. At a third of its rate the worker keeps up. A queue
# makes a rush wait; it doesn't make the worker faster.

# %% [markdown]
# **Your turn.** `NUMBER = 2000`, and run the last two cells again. How long does the last one wait?

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
in_an_hour = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
publication = visitor.post(f"/photos/{photo['id']}/publication", data={"at": in_an_hour}).json()

worker = celery_app.control.inspect(destination=[WORKER], timeout=30)


def scheduled() -> dict[str, dict[str, Any]]:
    """Ask the worker for the tasks that it holds until their time, by id."""
    return {held["request"]["id"]: held for held in (worker.scheduled() or {}).get(WORKER, [])}


until(lambda: publication["id"] in scheduled(), "the publication")
print("in the queue:", redis.llen("photos"))
print("in the worker:", scheduled()[publication["id"]]["request"]["name"])

# %% [markdown]
# In the worker. It has fetched the message at once, and holds it.
#
# **Now cancel the order. What does the page say, and what does the worker still hold?**

# %%
print("the page:", visitor.delete(publication["status"]).json()["state"])
print("in the worker:", scheduled()[publication["id"]]["request"]["name"])

# %% [markdown]
# The page reads the order's row. The worker looks whether a task is revoked when the task is due,
# not before. A task that has expired fares the same.
#
# **Both of these would have added two numbers. What is stored in place of 42?**

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
# **When does the worker begin each one?**

# %%
from zoneinfo import ZoneInfo


def in_a_minute(city: str) -> str:
    """Send a task that is due in a minute, by a clock in a city; return when it begins."""
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
# each would be right.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How punctual is an ETA?
#
# Thirty tasks are due at set times, one every 40 ms. The worker has nothing else to do.
#
# **How late does a task begin? Does any begin early?**

# %%
from statistics import median

celery_app.control.enable_events(destination=[WORKER], reply=True)


def starts(task_ids: list[str], times: int = 1) -> list[list[float]]:
    """Wait until each task has begun so many times; return when, in seconds since 1970."""

    def began(task_id: str) -> list[float]:
        events = [event for event in listener.about(task_id) if event["type"] == "task-started"]
        return [event["timestamp"] for event in events][:times]

    until(lambda: all(len(began(task_id)) == times for task_id in task_ids), f"{times} starts")
    return [began(task_id) for task_id in task_ids]


first = datetime.now(UTC) + timedelta(seconds=0.5)
etas = [first + timedelta(milliseconds=40) * number for number in range(30)]
on_time = [my_task.apply_async((20, 22), eta=eta) for eta in etas]
began = starts([result.id for result in on_time])
planned = [eta.timestamp() for eta in etas]
late = [1000 * (start - eta) for (start,), eta in zip(began, planned, strict=True)]
print(f"the earliest: {min(late):.0f} ms after its time")
print(f"the median: {median(late):.0f} ms")
print(f"the latest: {max(late):.0f} ms")

# %% slideshow={"slide_type": "subslide"}
draw_lateness([eta - planned[0] for eta in planned], late)

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** Each mark is a task: right is later, high is less punctual. None began before
# its time. An ETA is the *earliest* time. How late a task is depends on what the machine does
# besides.

# %% [markdown]
# **Your turn.** Give the worker something else to do. Put these lines before the one that begins
# with `began`, run both cells again, and see how late the tasks are:
#
# ```python
# for photo in small * 3:
#     visitor.post("/photos", files={"photo": photo})
# ```

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.3.2 Again: a mail server that says no
#
# The mail server has refused 24 letters since you began. Twelve were sent by the lab's own
# `deliver`, with `retry_jitter=True`; twelve by the same task without. Both back off: they wait up
# to 1 s, 2 s, 4 s, …
#
# **At which seconds did the mail server see each dozen?**

# %%
tries = {task: starts([result.id for result in sent], times=4) for task, sent in posted.items()}


def after(task: str, number: int) -> list[float]:
    """Return how many ms after its first try each letter was tried for the n-th time."""
    return [1000 * (times[number - 1] - times[0]) for times in tries[task]]


for task in tries:
    print(task)
    for number in 2, 3, 4:
        found = after(task, number)
        print(f"  try {number}: from {min(found):.0f} ms to {max(found):.0f} ms after the first")

# %% slideshow={"slide_type": "subslide"}
draw_tries(
    {
        "without jitter": tries["tasks.deliver_without_jitter"],
        "with jitter": tries["tasks.deliver"],
    }
)

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** A row is a letter, a mark one of its first four tries. Without jitter all of
# them come back together, after 1, 3 and 7 seconds: those that were refused together are refused
# together again. With jitter they spread. They spread only by whole seconds, since Celery draws
# whole seconds. 0 is one of them, so some letters are tried again at once.

# %% [markdown]
# **Which waits can Celery draw? First without jitter, then with it.**

# %%
from celery.utils.time import get_exponential_backoff_interval as backoff

for retries in range(3):
    drawn = {backoff(1, retries, 60, full_jitter=True) for _ in range(999)}
    print(f"wait {retries + 1}: {backoff(1, retries, 60)} s, or one of {sorted(drawn)}")

# %% [markdown]
# The letters go on like that for a few minutes. Then they are given up. Now one more letter, and
# the mail server accepts letters again.
#
# **What becomes of a letter that was refused?**

# %%
with flask_app.app_context():
    write_letter(Letter(id="another", to="you@example.com", subject="Another", text="Hello again"))
letter = celery_app.send_task("tasks.deliver", ["another"])


def refusal() -> str:
    """Return why the letter is to be tried again, if it is."""
    stored = letter.info
    return str(stored) if isinstance(stored, Exception) else ""


print(until(refusal, "a refusal"))
visitor.post("/mail/behaviour", data={"behaviour": "accepts"})
delivered = letter.get(timeout=30)
print("delivered:", delivered["letter"], "after", delivered["tries"], "tries")

# %% [markdown]
# **A task that is retried may run twice.** Send that letter again.
#
# **How many copies will there be?**

# %%
again = celery_app.send_task("tasks.deliver", ["another"]).get(timeout=30)
print("tries more:", again["tries"] - delivered["tries"])
mails = visitor.get("/mail").json()["letters"]
print("copies:", [mail["copies"] for mail in mails if mail["subject"] == "Another"])

# %% [markdown]
# One: the task reads `sent_at` first. **And if the server accepts the letter, but answers that it
# didn't?**

# %%
visitor.post("/mail/behaviour", data={"behaviour": "accepts and denies"})
with flask_app.app_context():
    write_letter(Letter(id="twice", to="you@example.com", subject="Twice", text="Hello"))
letter = celery_app.send_task("tasks.deliver", ["twice"])


def copies() -> int:
    """Return how many copies have arrived."""
    mails = visitor.get("/mail").json()["letters"]
    return sum(mail["copies"] for mail in mails if mail["subject"] == "Twice")


until(lambda: copies() > 1, "a second copy")
visitor.post("/mail/behaviour", data={"behaviour": "accepts"})
print(letter.get(timeout=60)["tries"], "tries,", copies(), "copies")

# %% [markdown]
# The sender can't know whether the letter was lost, or only the answer. All copies have the same
# Message-ID, so the receiver can tell that they are one letter.

# %% [markdown]
# ## 2.3.3 Every night: beat
#
# Beat reads a schedule, and sends what is due. You ask the same schedule, with a clock of your own:
# it is the last Friday of March 2027, ten in the evening.
#
# **When is each entry due next, and after that?**

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
# You needn't wait for the night to see what a task of the night does. A worker was killed long ago,
# and has left an unfinished file:

# %%
import os
from pathlib import Path

left_behind = Path(flask_app.config["DIR"], "prints", "old.part")
left_behind.parent.mkdir(exist_ok=True)
left_behind.write_bytes(bytes(50_000))
os.utime(left_behind, (0, 0))  # last touched in 1970
print(celery_app.send_task("tasks.clean_up").get(timeout=30))
print("still there:", left_behind.exists())

# %% [markdown]
# The report may be sent twice, by two beats, or by you.
#
# **How many reports arrive?**

# %%
today = str(celery_app.now().date())
for _ in range(2):
    said = celery_app.send_task("tasks.report").get(timeout=30)
    print(said.replace(today, "today"))
until(lambda: "Report" in visitor.get("/mail").text, "the report")
print([m["copies"] for m in visitor.get("/mail").json()["letters"] if "Report" in m["subject"]])

# %% [markdown]
# ## The end
#
# Some letters of the beginning may still wait for their next try. They end with their worker.
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
