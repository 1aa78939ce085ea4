"""The page, the facts as they come, and what is asked for when a card is opened."""

import json
import re
import secrets
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from xray.controls import Controls, RefusedError
from xray.facts import Fact, encode
from xray.observer import Observer
from xray.origin import refusal

EVERY = 0.1  # seconds between two deliveries of facts
ALIVE_EVERY = 15  # seconds: so often something is said, to learn whether anybody still listens
MOST_LISTENERS = 8  # each holds a thread
POLICY = (
    "default-src 'none'; style-src 'nonce-{0}'; script-src 'nonce-{0}'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def create_app(
    observer: Observer,
    port: int,
    controls: Controls | None = None,
    chapter: dict[str, str] | None = None,
) -> Flask:
    """Make the X-ray's page for one observer."""
    app = Flask(__name__, template_folder=str(Path(__file__).with_name("page")), static_folder=None)
    listeners: set[object] = set()

    def setup() -> dict[str, Any]:
        found = observer.setup() | {"controls": controls is not None}
        return found | ({"chapter": chapter} if chapter else {})

    @app.before_request
    def refuse_others() -> None:
        if why := refusal(request, port):
            abort(403, why)

    @app.get("/")
    def page() -> Response:
        nonce = secrets.token_urlsafe(16)
        answer = Response(render_template("index.html.j2", setup=setup(), nonce=nonce))
        answer.headers["Content-Security-Policy"] = POLICY.format(nonce)
        return answer

    @app.get("/saved")
    def saved() -> Response:
        run = setup() | {"facts": observer.facts.history(), "saved": time.time()}
        answer = Response(
            render_template("index.html.j2", setup=run | {"controls": False}, nonce="")
        )
        name = datetime.now().strftime("xray-%Y-%m-%d-%H%M.html")
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    @app.get("/facts")
    def facts() -> Response:
        if len(listeners) >= MOST_LISTENERS:
            abort(503, f"The X-ray is open {MOST_LISTENERS} times already: close a page.")
        last = request.headers.get("Last-Event-ID", "")
        gone = request.environ.get("waitress.client_disconnected", lambda: False)
        stream = listen(observer, int(last) if re.fullmatch(r"\d{1,15}", last) else None, gone)
        return Response(counted(stream, listeners), mimetype="text/event-stream")

    @app.get("/tasks/<task_id>")
    def task(task_id: str) -> Response:
        if len(task_id) > 200:
            abort(404, "No task has such an id.")
        return jsonify(observer.open(task_id))

    @app.post("/controls")
    def control() -> tuple[Response, int]:
        if controls is None:
            abort(403, "This X-ray only looks: it was not started by 'make run'.")
        asked = request.get_json(silent=True)
        do, worker, pid = (
            (asked if isinstance(asked, dict) else {}).get(name) for name in ("do", "worker", "pid")
        )
        if do not in ("pause", "one", "resume", "kill") or not isinstance(worker, str):
            abort(422, "Say what to do (pause, one, resume or kill), and the worker's name.")
        if do == "kill" and type(pid) is not int:
            abort(422, "Say which process to kill, by its number.")
        try:
            getattr(controls, do)(*([worker, pid] if do == "kill" else [worker]))
        except RefusedError as refused:
            abort(refused.status, refused.says)
        return jsonify({"done": do}), 202

    @app.errorhandler(HTTPException)
    def problem(error: HTTPException) -> Response:
        fields = {"title": error.name, "status": error.code, "detail": error.description}
        return Response(json.dumps(fields), error.code, mimetype="application/problem+json")

    @app.after_request
    def keep_to_yourself(answer: Response) -> Response:
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "no-referrer"
        answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return answer

    return app


def listen(observer: Observer, last: int | None, gone: Any) -> Iterator[str]:
    """Look as long as somebody listens, and tell of each fact: first all that are kept."""
    with observer.watched():
        spoken = time.monotonic()
        if last is None or not observer.facts.has_all_since(last):
            kept = observer.facts.history()
            last = kept[-1]["n"]
            yield event("history", last, kept)
        while not gone():
            if observer.facts.last != last:
                new = observer.facts.since(last)
                last = new[-1]["n"]
                spoken = time.monotonic()
                yield event("facts", last, new)
            elif time.monotonic() - spoken > ALIVE_EVERY:
                spoken = time.monotonic()
                yield ": still here\n\n"
            time.sleep(EVERY)


def event(name: str, last: int, facts: list[Fact]) -> str:
    """Return facts as one message. Encoded together, they cost half of what they do one by one."""
    return f"id: {last}\nevent: {name}\ndata: {encode(facts)}\n\n"


def counted(stream: Iterator[str], listeners: set[object]) -> Iterator[str]:
    """Pass a stream on, and count it while it lasts."""
    me = object()
    listeners.add(me)
    try:
        yield from stream
    finally:
        listeners.discard(me)
