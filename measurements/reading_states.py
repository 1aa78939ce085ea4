"""Compare two ways to read the states of a list of photos: one by one, and all at once."""

import importlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import click
from flask import Flask
from redis import Redis

from tests.support.chapter_runs import started
from workbench.brokers import redis_server
from workbench.chapter import ROOT
from workbench.log import Log

CHAPTER = ROOT / "chapters/02_architecture"
Read = Callable[[Flask, list[str]], dict[str, str]]


@dataclass(frozen=True)
class Cost:
    """What reading a list of states costs once."""

    commands: int
    bytes_sent: int  # by Redis
    seconds: float


def one_by_one(app: Flask, order_ids: list[str]) -> dict[str, str]:
    """Ask for each state, as `AsyncResult` does."""
    celery = app.extensions["celery"]
    return {order_id: celery.AsyncResult(order_id).state for order_id in order_ids}


def all_at_once(app: Flask, order_ids: list[str]) -> dict[str, str]:
    """Ask as chapter 2's list does."""
    task_meta = importlib.import_module("support.task_meta")
    metas = task_meta.get_task_metas(app.extensions["celery"].backend, order_ids)
    return {order_id: meta["status"] for order_id, meta in metas.items()}


def counters(redis: Any) -> tuple[int, int]:
    """Return how many GETs and MGETs this Redis has answered, and the bytes it has sent."""
    calls = {name: found["calls"] for name, found in redis.info("commandstats").items()}
    reads = calls.get("cmdstat_get", 0) + calls.get("cmdstat_mget", 0)
    return reads, redis.info("stats")["total_net_output_bytes"]


def cost(read: Read, app: Flask, order_ids: list[str], redis: Any) -> Cost:
    """Read all states once."""
    idle = counters(redis)
    before = counters(redis)  # to ask for the counters sends bytes, too
    begun = time.perf_counter()
    read(app, order_ids)
    seconds = time.perf_counter() - begun
    after = counters(redis)
    asking = before[1] - idle[1]
    return Cost(after[0] - before[0], after[1] - before[1] - asking, seconds)


def make_app(folder: Path, redis_url: str) -> Flask:
    """Make chapter 2's app, on a Redis of our own."""
    sys.path.insert(0, str(CHAPTER))
    create_app = importlib.import_module("lab").create_app
    urls = {"broker_url": f"{redis_url}/0", "result_backend": f"{redis_url}/1"}
    app: Flask = create_app({"DIR": folder, "CELERY": urls})
    return app


def store_results(app: Flask, photos: int) -> list[str]:
    """Store a result for each of so many orders; return their ids."""
    order_ids = [str(uuid4()) for _ in range(photos)]
    for order_id in order_ids:
        app.extensions["celery"].backend.store_result(order_id, {"seconds": 1.5}, "SUCCESS")
    return order_ids


@click.command()
@click.option("--photos", default=60, show_default=True, help="In the list.")
@click.option("--rounds", default=30, show_default=True)
def main(photos: int, rounds: int) -> None:
    """Print what each way costs Redis, and the ratio of their times.

    The two take turns, since the machine is better and worse by moments.
    """
    with TemporaryDirectory() as folder:
        service, url = redis_server("redis", Path(folder) / "redis", Log())
        with started(service):
            app = make_app(Path(folder), url)
            order_ids = store_results(app, photos)
            redis = Redis.from_url(url)
            assert one_by_one(app, order_ids) == all_at_once(app, order_ids)
            pairs = [
                (cost(one_by_one, app, order_ids, redis), cost(all_at_once, app, order_ids, redis))
                for _ in range(rounds)
            ]
    old, new = pairs[-1]
    ratio = median(each.seconds / both.seconds for each, both in pairs)
    print(f"one by one: {old.commands} commands, {old.bytes_sent} bytes")
    print(f"all at once: {new.commands} command, {new.bytes_sent} bytes")
    print(f"one by one takes {ratio:.0f} times as long")


if __name__ == "__main__":
    main()
