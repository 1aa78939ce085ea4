# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Chapter 1 · Overview: who waits?
#
# The [lesson](../chapters/01_overview/README.md) as a notebook: the same lab, the same steps, and
# plots of what a terminal doesn't show. Run the cells from top to bottom. Answer each question
# before you run the cell below it. (Your times will be other ones than those printed here.)

# %%
from session import BLUE, ORANGE, YELLOW, final_status, photos, start

lab = start("01")  # what `make run` starts: a Redis, the web server, a worker
print("running:", ", ".join(lab.services))

# %% [markdown]
# They run until the last cell, or until this kernel ends. You are a visitor, with a program instead
# of a browser. You send a photo:

# %%
import httpx

visitor = httpx.Client(base_url=lab.url, timeout=60)
large, small = photos(edge=520), photos(edge=320)  # longest edge in pixels

answer = visitor.post("/blocking", files={"photo": large[0]})
print(answer.status_code, answer.headers["Content-Type"])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.1 Background: everybody waits
#
# A view develops the photo *in the request*: the answer is the print. Meanwhile another visitor
# asks for something tiny, again and again: `/heartbeat`, which does nothing and answers 204. The
# web server has one thread.
#
# **While six photos are developed, one after the other: how many milliseconds does a heartbeat
# take?**

# %%
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from statistics import median


def heartbeats(work: Callable[[], None]) -> list[tuple[float, float]]:
    """Ask for something tiny while some work goes on; return when, and how long it took."""
    found = []
    with ThreadPoolExecutor() as others, httpx.Client(base_url=lab.url, timeout=60) as neighbour:
        begun, working = time.perf_counter(), others.submit(work)
        while not working.done():
            asked = time.perf_counter()
            neighbour.get("/heartbeat")
            found.append((asked - begun, time.perf_counter() - asked))
            wait([working], timeout=0.04)
    return found


def in_the_request() -> None:
    """Send six photos, and wait for each print."""
    for photo in large:
        visitor.post("/blocking", files={"photo": photo})


def typical(found: list[tuple[float, float]]) -> float:
    """Return the median of the waits, in seconds: half of them are longer."""
    return median(took for _, took in found)


waits = {"in the request": heartbeats(in_the_request)}
print(f"{1000 * typical(waits['in the request']):.0f} ms")

# %% [markdown]
# ## 1.2 Why integrate: leave an order, come back for the print
#
# The other view saves the photo, leaves the work to a worker, and answers at once, with the address
# at which you can ask for the print.
#
# **Which status code says "I have it, and it isn't done"?**

# %%
answer = visitor.post("/background", files={"photo": large[0]})
print(answer.status_code, answer.reason_phrase)
print(answer.json())

# %%
order = final_status(lab.url + answer.json()["status"])
print(order["state"], order["print"])

# %% [markdown]
# Now the same six photos, sent one after the other. They are as much work as before, for the same
# machine.
#
# **How many milliseconds does a heartbeat take this time?**


# %%
def in_the_background() -> None:
    """Send six photos, then ask for the prints until all are there."""
    answers = [visitor.post("/background", files={"photo": photo}) for photo in large]
    for answer in answers:
        final_status(lab.url + answer.json()["status"])


waits["in the background"] = heartbeats(in_the_background)
print(f"{1000 * typical(waits['in the background']):.0f} ms")
assert 3 * typical(waits["in the background"]) < typical(waits["in the request"])

# %% slideshow={"slide_type": "subslide"}
from matplotlib import pyplot as plt

figure, rows = plt.subplots(2, sharex=True, sharey=True, figsize=(8, 4))
for row, (how, found), color, marker in zip(rows, waits.items(), [ORANGE, BLUE], "so", strict=True):
    asked, took = zip(*found, strict=True)
    milliseconds = [1000 * seconds for seconds in took]
    row.vlines(asked, 0, milliseconds, color=color)
    row.plot(asked, milliseconds, marker, color=color)
    row.set(title=f"six photos {how}", ylabel="wait in ms", ylim=(0, None))
rows[-1].set_xlabel("when the heartbeat was asked for, in seconds")
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** Each mark is a request of the other visitor. While photos are developed in the
# request, a heartbeat waits for a whole photo, again and again. In the background it hardly waits.
#
# The lower row may be *longer*: all six photos together can take more time in the background. These
# photos are small. For each there is a message and a result, this notebook asks for the prints all
# the time, and all of it shares the machine with the two processes that develop. (With the large
# photos of the page the background is sooner.) What you gain is that nobody else waits.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Would more threads do?
#
# We start a second web server of the same app, with four threads. Then visitors come, all at the
# same time, each with a photo: first one visitor, then three, then six.
#
# **How long does the last of them wait for an answer: with one thread, with four, in the
# background?**

# %%
from workbench.probes import free_port

lab.ports["FOUR_PORT"] = free_port()
lab.add("four", "waitress-serve --listen=127.0.0.1:${FOUR_PORT:-8004} --threads=4 app:app")
lab.start("four")


def longest_wait(address: str, visitors: int) -> float:
    """Let visitors come at once, each with a photo; return the longest wait for an answer."""

    def visit(photo: bytes) -> tuple[float, str | None]:
        begun = time.perf_counter()
        answer = visitor.post(address, files={"photo": photo})
        return time.perf_counter() - begun, answer.headers.get("Location")

    with ThreadPoolExecutor(visitors) as crowd:
        found = list(crowd.map(visit, small[:1] * visitors))
    for _, order in found:
        if order:
            final_status(lab.url + order)  # so that the next crowd meets an idle lab
    return max(seconds for seconds, _ in found)


# %% [markdown]
# **Your turn.** Run it as it is. Then change the crowds, such as `[1, 2, 4, 8, 16]`, and run
# this cell and the next again.

# %%
CROWDS = [1, 3, 6]

ways = {
    "one thread": f"{lab.url}/blocking",
    "four threads": f"http://127.0.0.1:{lab.ports['FOUR_PORT']}/blocking",
    "in the background": f"{lab.url}/background",
}
longest = {way: [longest_wait(url, crowd) for crowd in CROWDS] for way, url in ways.items()}
for way, seconds in longest.items():
    print(f"{way:18}", ", ".join(f"{1000 * each:.0f} ms" for each in seconds))
assert longest["in the background"][-1] < longest["one thread"][-1]

# %% slideshow={"slide_type": "subslide"}
figure, axes = plt.subplots()
for (way, seconds), color in zip(longest.items(), [ORANGE, YELLOW, BLUE], strict=True):
    axes.plot(CROWDS, seconds, color=color, label=way)
axes.set(xlabel="visitors at once", ylabel="longest wait in s", xticks=CROWDS, ylim=(0, None))
axes.legend()
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** With one thread the wait grows with the number of visitors: the server answers
# one after the other. With four threads it grows about as much, and for one photo or six it may
# even be a little *longer* than with one thread. Four photos are developed at the same time, but
# the threads of one process share one lock (Python's GIL) and the machine's cores, and it takes
# time to change from one thread to another. In the background the answer comes at once. (Until the
# *print* is there it takes as long as before: the orders wait in the queue, but no visitor waits
# with them.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.3 Basic concepts: four parts and a name
#
# A *task* has a name. A *broker* keeps the messages that ask for it. A *worker* does it. A *result
# backend* keeps its state and its result. To ask for a task you need the broker's address and the
# task's name, and nothing else. So this notebook can ask, too: it hasn't imported the lab's tasks.

# %% slideshow={"slide_type": "-"}
from celery import Celery

caller = Celery(broker=lab.broker_url, backend=lab.result_backend)
result = caller.send_task("tasks.my_task", args=[2, 3])
print(result.get(timeout=30), result.state)

# %% [markdown]
# **Your turn.** Send other things: two numbers, two lists, a word and a number. What comes back?

# %%
caller.send_task("tasks.my_task", args=["two", "three"]).get(timeout=30)

# %% [markdown] slideshow={"slide_type": "-"}
# **Nobody has a task called `tasks.my_tusk`. Who finds out, and when: the caller or the worker?**

# %% slideshow={"slide_type": "fragment"}
misspelled = caller.send_task("tasks.my_tusk", args=[2, 3])
print(misspelled.id)
print(type(misspelled.get(timeout=30, propagate=False)).__name__)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **An id that nobody was ever given: what does Celery say of it? And the lab?**

# %% slideshow={"slide_type": "-"}
made_up = "11111111-2222-4333-8444-555555555555"
print("Celery:", caller.AsyncResult(made_up).state)
print("the lab:", visitor.get(f"/tasks/{made_up}").json()["detail"])

# %% [markdown]
# The misspelled task was sent, and got an id like any other: only the worker found out. And to
# Celery, PENDING means that nothing is stored. The lab knows more, because it writes each order
# down before it sends the task.
#
# The article's own listing sends nothing at all. Its view says
# `celery.send_task("tasks.my_task", args=[arg1, arg2])`. **What does its visitor get?**

# %%
import as_printed

as_printed.app.logger.disabled = True  # it would print the traceback
print(as_printed.app.test_client().get("/").status)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What to break
#
# **Stop the worker, and send a photo. What does the visitor get, and where is the message?**

# %% slideshow={"slide_type": "-"}
from redis import Redis

lab.stop("worker")
answer = visitor.post("/background", files={"photo": small[0]})
waiting = lab.url + answer.json()["status"]
print(answer.status_code, visitor.get(waiting).json()["state"])
print("messages in the queue:", Redis.from_url(lab.broker_url).llen("celery"))

# %% slideshow={"slide_type": "fragment"}
lab.start("worker")
print(final_status(waiting)["state"])

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Stop the broker. What does the next visitor get? And once the broker is back?**

# %% slideshow={"slide_type": "-"}
lab.stop("broker")
answer = visitor.post("/background", files={"photo": small[0]})
print(answer.status_code, answer.json()["detail"], "Retry-After:", answer.headers["Retry-After"])
lab.start("broker")
answer = visitor.post("/background", files={"photo": small[0]})
print(answer.status_code)

# %% [markdown]
# **Your turn.** Half a photo has a good beginning: only the worker sees that it is damaged. What
# else could you send? Words, nothing at all, two megabytes of zeros?

# %%
rubbish = large[0][: len(large[0]) // 2]

answer = visitor.post("/background", files={"photo": rubbish})
print(answer.status_code, answer.json().get("detail", "accepted"))
if answer.status_code == 202:
    order = final_status(lab.url + answer.json()["status"])
    print(order["state"], order["error"] and order["error"]["type"])

# %% [markdown]
# The task has failed. The question about its state was answered with a 200 all the same: the
# question was right.
#
# That was the lab. Stop it (a restart of the kernel does the same):

# %%
lab.close()
print("still running:", [name for name, service in lab.services.items() if service.running()])

# %% [markdown]
# Next: [chapter 2](02_architecture.ipynb), or this chapter's
# [exercises](../chapters/01_overview/README.md#exercises).
