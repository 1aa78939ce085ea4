"""Serve the X-ray until Ctrl-C."""

import gc
import logging
import os
import threading
from contextlib import suppress
from urllib.parse import urlsplit

import click
from celery.app import backends
from celery.exceptions import ImproperlyConfigured
from flask import Flask
from kombu.utils.url import parse_url
from waitress.server import create_server

from xray import outages
from xray.addresses import without_password
from xray.controls import Controls, descends_from
from xray.errors import UserError
from xray.observer import Observer
from xray.server import MOST_LISTENERS, create_app
from xray.signals import postponed_signals

KNOWN = ("redis", "rediss", "amqp", "amqps", "pyamqp")
STEP_BACK = 10  # of nice's 19: where processors are short, the chapter goes first


def serve(
    broker: str,
    backend: str | None,
    port: int,
    *,
    redact: bool = False,
    management: str | None = None,
    run_pid: int | None = None,
    chapter: dict[str, str] | None = None,
) -> None:
    """Serve the page; at the end, leave workers and broker as they were."""
    check(broker, backend)
    step_back()
    # Celery prefers these to what it is told.
    os.environ["CELERY_BROKER_URL"] = broker
    os.environ["CELERY_RESULT_BACKEND"] = backend or "disabled://"
    logging.getLogger().addHandler(logging.NullHandler())  # outages are said on the page
    observer = Observer(
        broker,
        backend,
        redact=redact,
        management=management,
        is_ours=lambda pid: run_pid is not None and descends_from(run_pid, pid),
    )
    controls = Controls(observer) if run_pid else None
    listen_on(port, create_app(observer, port, controls, chapter))
    if not run_pid:
        click.echo(f"X-ray: http://127.0.0.1:{port} (Ctrl-C ends it)")
    try:
        threading.Event().wait()
    finally:
        with postponed_signals(), suppress(*outages.ERRORS):
            if controls:
                controls.close()
            observer.stop()


def step_back() -> None:
    """Let the programs that are watched go first, where processors are short."""
    os.setpriority(os.PRIO_PROCESS, 0, max(STEP_BACK, os.getpriority(os.PRIO_PROCESS, 0)))
    with suppress(AttributeError, OSError):  # Linux, where that's allowed: it lets others finish
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    gc.set_threshold(100_000, 50, 50)  # of what comes and goes here, next to nothing is a cycle


def listen_on(port: int, app: Flask) -> None:
    """Serve the page in a thread. (It would wait for its listeners to leave, when it is ended.)"""
    try:
        server = create_server(
            app,
            host="127.0.0.1",
            port=port,
            threads=MOST_LISTENERS + 4,
            channel_request_lookahead=1,  # so that it is noticed when a listener leaves
            outbuf_high_watermark=2**20,  # it keeps what it has sent, until it is so many bytes
        )
    except OSError:
        raise UserError(
            f"Port {port} is taken: stop what listens there, or choose another, "
            f"as in: --port {port + 1}"
        ) from None
    threading.Thread(target=server.run, daemon=True).start()


def check(broker: str, backend: str | None) -> None:
    """Refuse addresses at which nothing could ever be seen, and say why."""
    if urlsplit(broker).scheme not in KNOWN:
        raise UserError(
            f"The X-ray can't look at '{without_password(broker)}', only at Redis and RabbitMQ: "
            "give it an address such as redis://localhost:6379/0 or amqp://localhost:5672//"
        )
    try:
        for each in (*broker.split(";"), backend or ""):
            parse_url(each)
    except ValueError as error:
        raise UserError(f"'{without_password(each)}' is no address: {error}.") from None
    try:
        backends.by_url(backend)
    except (ImproperlyConfigured, ImportError) as error:
        raise UserError(
            f"'{without_password(backend or '')}' is no result backend that Celery knows "
            f"({error}): give an address such as redis://localhost:6379/1"
        ) from None
