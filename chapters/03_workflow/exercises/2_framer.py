"""Ask somebody who is busy: come again when he says so.

Frames are made by a framer across the street. He takes orders over HTTP, and has two ways to do so:

    POST /frames         he makes a frame
    PUT /frames/<name>   he makes a frame under a name that you choose; he makes only one of a name

The body is {"photo": <its id>}. What he answers:

    200, 201   done: {"frame": <its number>}. 200 means that he had made it before
    503        not now. The header Retry-After says in how many seconds you may come again; it may
               happen that he has made the frame all the same, and only mislaid the receipt
    any other  no. He won't change his mind

And sometimes nobody opens: then try again after a second. `deliver` in lab/post.py decides by
itself how long it waits. Here the other side does.

Let `order_frame` come five times at most, counting the first, and not a second time after a no. A
photo gets one frame, however often its task is sent. And no worker stands waiting in the street:
while the framer is busy, it works on something else.

`make check CHAPTER=03` opens such a shop, starts a worker with one process that imports this file,
and writes down when it comes.
"""

import json
from urllib.request import Request, urlopen

from celery import shared_task
from flask import current_app


@shared_task(name="tasks.order_frame")  # TODO: it comes once, whatever the framer says
def order_frame(photo_id: str) -> int:
    """Order a frame for a photo, and return the frame's number."""
    return ask(photo_id)


def ask(photo_id: str) -> int:
    """Ask the framer once. Other answers than 200 and 201 are HTTPErrors, nobody is an OSError."""
    body = json.dumps({"photo": photo_id}).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(
        f"{current_app.config['FRAMER']}/frames", body, headers, method="POST"
    )
    with urlopen(request, timeout=5) as answer:
        return int(json.load(answer)["frame"])
