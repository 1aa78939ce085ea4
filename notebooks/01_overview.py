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
# pictures of what can't be seen in a terminal. Run the cells from top to bottom, and answer each
# question before you run the cell below it.

# %%
from session import BLUE, ORANGE, YELLOW, final_status, photos, start

lab = start("01")  # what `make run` starts: a Redis, the web server, a worker
print("running:", ", ".join(lab.services))

# %% [markdown]
# They run until the last cell, or until this kernel ends. You are a visitor, with a program in
# place of a browser, and hand in a photo:

# %%
import httpx

visitor = httpx.Client(base_url=lab.url, timeout=60)
large, small = photos(edge=520), photos(edge=320)  # longest edge in pixels

answer = visitor.post("/blocking", files={"photo": large[0]})
print(answer.status_code, answer.headers["Content-Type"])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.1 Background: everybody waits
#
# A view develops the photo *in the request*: the answer is the print. Meanwhile somebody else
# comes along, who wants something tiny: `/heartbeat`, which does nothing and answers 204. The web
# server has one thread.
#
# **While six photos are developed, one after the other: how long will a heartbeat take?**

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
    """Hand in six photos, and wait for each print."""
    for photo in large:
        visitor.post("/blocking", files={"photo": photo})


waits = {"in the request": heartbeats(in_the_request)}
print("photos:", len(large))
print("heartbeats, at most two a photo:", len(waits["in the request"]) <= 2 * len(large))

# %% [markdown]
# ## 1.2 Why integrate: leave an order, come back for the print
#
# The other view takes the photo in, leaves the work to a worker, and answers at once: with the
# address at which you may ask for the print.
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
# Now the same six photos, handed in one after the other. They are as much work as before, for the
# same machine.
#
# **How long will a heartbeat take this time?**


# %%
def in_the_background() -> None:
    """Hand in six photos, then ask for the prints until all are there."""
    answers = [visitor.post("/background", files={"photo": photo}) for photo in large]
    for answer in answers:
        final_status(lab.url + answer.json()["status"])


waits["in the background"] = heartbeats(in_the_background)
typical = {how: median(took for _, took in found) for how, found in waits.items()}
ratio = typical["in the request"] / typical["in the background"]
print("the typical heartbeat, in the background: more than three times as quick:", ratio > 3)

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
# request, a heartbeat waits for a whole photo, again and again. In the background it hardly waits
# at all.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Would more threads do?
#
# A second web server, of the same app, with four threads. Then visitors come, all at once, each
# with a photo: one, three, six of them.
#
# **How long does the unluckiest wait for an answer: with one thread, with four, in the
# background?**

# %%
from workbench.probes import free_port

lab.ports["FOUR_PORT"] = free_port()
lab.add("four", "waitress-serve --listen=127.0.0.1:${FOUR_PORT:-8004} --threads=4 app:app")
lab.start("four")


def longest_wait(address: str, visitors: int) -> float:
    """Have visitors come at once, each with a photo; return the longest wait for an answer."""

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
one_thread, crowd = longest["one thread"], {way: found[-1] for way, found in longest.items()}
print(
    "one thread: the last of a crowd waits more than twice as long:",
    one_thread[-1] > 2 * one_thread[0],
)
print("the shortest wait in a crowd:", min(crowd, key=lambda way: crowd[way]))

# %% slideshow={"slide_type": "subslide"}
figure, axes = plt.subplots()
for (way, seconds), color in zip(longest.items(), [ORANGE, YELLOW, BLUE], strict=True):
    axes.plot(CROWDS, seconds, color=color, label=way)
axes.set(xlabel="visitors at once", ylabel="longest wait in s", xticks=CROWDS, ylim=(0, None))
axes.legend()
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** With one thread the wait grows with the crowd: they stand in line. Four threads
# take four photos at once, which then share the machine's processors. Whoever only leaves an order
# is served at once. (Until the *print* is there it takes as long as ever: the line has moved to the
# queue, where nobody has to stand in it.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.3 Basic concepts: four parts and a name
#
# A *task* has a name, a *broker* holds the messages that ask for it, a *worker* does it, a *result
# backend* keeps what came of it. To ask for a task you need the broker's address and its name,
# and nothing else. So this notebook can do it, too: it hasn't imported the lab's tasks.

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
print("sent:", bool(misspelled.id))
print("found:", type(misspelled.get(timeout=30, propagate=False)).__name__)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **An id that nobody was ever given: what does Celery say of it? And the lab?**

# %% slideshow={"slide_type": "-"}
made_up = "11111111-2222-4333-8444-555555555555"
print("Celery:", caller.AsyncResult(made_up).state)
print("the lab:", visitor.get(f"/tasks/{made_up}").json()["detail"])

# %% [markdown]
# To Celery, PENDING means that nothing is stored. The lab knows better, because it writes each
# order down before it sends the task.
#
# The article's own listing, meanwhile, never gets as far as Celery. **What will its visitor get?**
# (Its words are `celery.send_task("tasks.my_task", args=[arg1, arg2])`.)

# %%
import as_printed

as_printed.app.logger.disabled = True  # it would print the traceback
print(as_printed.app.test_client().get("/").status)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What to break
#
# **Stop the worker, and hand in a photo. What does the visitor get, and where is the order?**

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
# **Your turn.** Half a photo looks fine at the counter, until the worker opens it. What else could
# you hand in? Words, nothing at all, two megabytes of zeros?

# %%
rubbish = large[0][: len(large[0]) // 2]

answer = visitor.post("/background", files={"photo": rubbish})
print(answer.status_code, answer.json().get("detail", "accepted"))
if answer.status_code == 202:
    order = final_status(lab.url + answer.json()["status"])
    print(order["state"], order["error"] and order["error"]["type"])

# %% [markdown]
# The task has failed, and the question how it stands was answered with a 200: there was nothing
# wrong with the question.
#
# That was the lab. Stop it (a restart of the kernel does the same):

# %%
lab.close()
print("still running:", [name for name, service in lab.services.items() if service.running()])

# %% [markdown]
# Next: [chapter 2](02_architecture.ipynb), or this chapter's
# [exercises](../chapters/01_overview/README.md#exercises).
