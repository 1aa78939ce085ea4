# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Chapter 4 · Distributed workflow: many tasks, one result
#
# The [lesson](../chapters/04_distributed_workflow/README.md) as a notebook: the same lab, the same
# steps, and a picture of what a terminal can't show. Run the cells from top to bottom, and answer
# each question before you run the cell below it.

# %%
from plots_04 import draw_work, find_work
from session import photos, start, until

lab = start("04", only=["worker"])  # a Redis, and a worker with two processes
print("running:", [name for name, service in lab.services.items() if service.running()])

# %% [markdown]
# The web app runs in this notebook, so you can ask it without a server. An album is made, and
# photos are added to it. Nothing is developed yet.

# %%
from typing import Any

import httpx

from make_celery import celery_app, flask_app

flask_app.test_cli_runner().invoke(args=["init-db"])
client = httpx.Client(transport=httpx.WSGITransport(app=flask_app), base_url="http://lab")
small = photos(edge=400)


def new_album(name: str, pictures: list[bytes]) -> str:
    """Make an album with photos, and return its address."""
    album: str = client.post("/albums", data={"name": name}).json()["status"]
    for picture in pictures:
        client.post(f"{album}/photos", files={"photo": picture})
    return album


def final(address: str) -> dict[str, Any]:
    """Ask for a status until it is final, and return it."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(address).json()
        return found if found["state"] in ("SUCCESS", "FAILURE", "REVOKED") else None

    return until(look, f"an end of {address}") or {}


album = new_album("Holiday", small[:3])
album_id = album.rpartition("/")[2]
photo_ids = [photo["id"] for photo in client.get(album).json()["photos"]]
print(len(photo_ids), "photos, state:", client.get(album).json()["state"])

# %% [markdown]
# ## Signatures, and how they are joined
#
# A signature is a call that is written down. Three ways to join signatures: one after the other
# (chain), all at once (group), all at once and then one more (chord).
#
# **What does each of the three return?**

# %%
from celery import chain, chord, group

from lab.tasks import develop, develop_or_report, make_contact_sheet

each_photo = [develop_or_report.s(photo_id) for photo_id in photo_ids]
grouped = group(each_photo)()
chained = chain(develop.s(photo_ids[0]), make_contact_sheet.s(album_id))
chorded = chord(each_photo)(make_contact_sheet.s(album_id))
print("group:", [sorted(result) for result in grouped.get(timeout=30)])
print("chord:", chorded.get(timeout=30))
print("chain:", chained)

# %% [markdown]
# A group returns a list: what each task returned (here you see the keys). A chord returns what its
# body returned: `make_contact_sheet` got that list, and returned the album's id. The chain wasn't
# sent: it is still a call that is written down, and you see its two parts. It would fail:
# `make_contact_sheet` wants a list of results, and the chain would give it one result.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## An album
#
# A chord whose body is a chain: eight photos, then the contact sheet, then the publication. The
# worker has two processes.
#
# **What does each process do, and when? Which one makes the sheet?**

# %%
album = new_album("Big", (small + small)[:8])
client.post(f"{album}/orders")
big = final(album)
print(big["state"], big["progress"])

# %% slideshow={"slide_type": "subslide"}
works = find_work(lab, celery_app, {order["id"] for order in big["orders"]})
draw_work(works)

# %% [markdown] slideshow={"slide_type": "-"}
# **What you see.** A row is a process, a bar is a task. Each process takes the next photo when it
# is done with one. The sheet begins after the last photo, whichever process had it. No process
# waits for another: the one that is done last sends the next message. The last bar is thin, since
# to publish an album is to write one row.

# %%
photo_works = [work for work in works if work.task == "develop_or_report"]
(sheet_work,) = [work for work in works if work.task == "make_contact_sheet"]
gap = sheet_work.begun - max(work.done for work in photo_works)
print(f"from the end of the last photo to the beginning of the sheet: {1000 * gap:.0f} ms")

# %% [markdown]
# ## One broken photo
#
# Half a photo comes into the first album. The header is made of `develop` itself, which raises an
# error for it.
#
# **What becomes of the three good photos? What becomes of the sheet?**

# %%
album = f"/albums/{album_id}"
client.post(f"{album}/photos", files={"photo": small[4][: len(small[4]) // 2]})
photo_ids = [photo["id"] for photo in client.get(album).json()["photos"]]
failed = chord([develop.s(photo_id) for photo_id in photo_ids])(make_contact_sheet.s(album_id))
print("sheet:", type(failed.get(timeout=30, propagate=False)).__name__)
print("photos:", [result.state for result in failed.parent])  # type: ignore[union-attr]

# %% [markdown]
# The three are developed, and there is no sheet: a chord's body runs only if all of its header has
# succeeded. That a photo can't be read is to be expected. So the lab's own workflow makes a result
# of it (`develop_or_report`):

# %%
client.post(f"{album}/orders")
print(final(album)["state"])
print([order["result"].get("error") for order in final(album)["orders"] if order["photo"]])

# %% [markdown]
# ## Cancelling the whole
#
# Twelve photos are ordered, and cancelled as soon as one of them is done.
#
# **How many of the fourteen tasks end as SUCCESS? What becomes of the two that have begun?**

# %%
from collections import Counter

album = new_album("Changed my mind", photos(edge=400) * 2)
client.post(f"{album}/orders")
until(lambda: (client.get(album).json()["progress"] or {})["done"] >= 1, "a first photo")
client.delete(f"{album}/orders")


def states() -> Counter[str]:
    """Count the states of the album's tasks."""
    return Counter(order["state"] for order in client.get(album).json()["orders"])


until(lambda: not states().keys() & {"PENDING", "STARTED"}, "an end of all tasks")
cancelled = client.get(album).json()
print(cancelled["state"], cancelled["error"]["message"])

# %% tags=["nbval-ignore-output"]
# Not compared: how many were done depends on the machine.
print(states())
for order in cancelled["orders"][-2:]:
    print(order["task"], order["state"])

# %% [markdown]
# Some are done: the first one, and what the two processes had begun, which is finished. All others
# are revoked. One message to the workers named all fourteen ids, and each task also looks
# into its order's row before it begins.
#
# The last of them may be a FAILURE: when the last photo is done, Celery finds a revoked one among
# the results, and fails the chord's body for it (`ChordError`). For the album this is no failure.
# Its owner has cancelled it, and that is what it says.

# %% [markdown]
# ## Progress, and an end to it
#
# Packing an album takes its time, and it is one task. It says how far it is, in a state of its own.
# Here it packs three photos that are cut to strips, since whole ones take a second each.
#
# **Which states are stored while three photos are packed?**

# %%
import io

from PIL import Image

from support.event_listener import EventListener, watch_task


def strip(photo: bytes) -> bytes:
    """Cut a strip out of a photo."""
    with Image.open(io.BytesIO(photo)) as image:
        file = io.BytesIO()
        image.crop((0, 100, image.width, 140)).save(file, "JPEG")
    return file.getvalue()


album = new_album("Strips", [strip(photo) for photo in small[:3]])
client.post(f"{album}/orders")
print(final(album)["state"])

# %%
celery_app.control.enable_events(reply=True)
with EventListener(celery_app) as listener:
    watched = watch_task(listener, celery_app, "tasks.pack", [album.rpartition("/")[2]])
print("stored:", watched.stored)
print("packed:", watched.result["done"])

# %% [markdown]
# `PROGRESS` is stored once for each photo. It is a state of the task's own: Celery doesn't have
# this word. Before each photo the task also looks whether it was cancelled:

# %%
order = client.post(f"{album}/zip").json()
client.delete(order["status"])
print(final(order["status"])["state"])

# %% [markdown]
# ## The end

# %%
lab.close()
print("running:", [name for name, service in lab.services.items() if service.running()])

# %% [markdown]
# Next: this chapter's [exercises](../chapters/04_distributed_workflow/README.md#exercises).
