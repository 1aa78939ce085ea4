"""Use the chapter's lab as its visitors do, with whichever Celery this Python has.

    python use_lab.py PHOTO

Prints, as JSON, Celery's version and what the lab said in the end.
"""

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import celery

from lab import create_app


def main() -> None:
    """Order both tasks, wait for their ends, and print them."""
    app = create_app()
    app.test_cli_runner().invoke(args=["init-db"])
    client = app.test_client()
    photo = io.BytesIO(Path(sys.argv[1]).read_bytes())
    orders = [
        client.post("/my-task", data={"arg1": 2, "arg2": 3}),
        client.post("/photos", data={"photo": (photo, "photo.jpg")}),
    ]
    statuses = [final_status(client, order.headers["Location"]) for order in orders]
    photos = client.get("/photos").get_json()["photos"]
    print(json.dumps([celery.__version__, *statuses, photos[0]["order"]]))


def final_status(client: Any, address: str) -> Any:
    """Ask until a status is final."""
    deadline = time.monotonic() + 30
    while True:
        status = client.get(address).get_json()
        if status.get("state") not in ("PENDING", "STARTED") or time.monotonic() > deadline:
            return status


if __name__ == "__main__":
    main()
