"""The page, the facts as they come, and what is asked for when a card is opened."""

import json
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    jsonify,
    render_template,
    request,
)
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


@dataclass
class Xray:
    """What the page's views need."""

    observer: Observer
    port: int
    controls: Controls | None  # none, if it only looks
    chapter: dict[str, str] | None
    listeners: set[object] = field(default_factory=set)

    def setup(self) -> dict[str, Any]:
        """Return what the page must know before the first fact."""
        found = self.observer.setup() | {"controls": self.controls is not None}
        return found | ({"chapter": self.chapter} if self.chapter else {})


bp = Blueprint("xray", __name__)


def create_app(
    observer: Observer,
    port: int,
    controls: Controls | None = None,
    chapter: dict[str, str] | None = None,
) -> Flask:
    """Make the X-ray's page for one observer."""
    app = Flask(__name__, template_folder=str(Path(__file__).with_name("page")), static_folder=None)
    app.extensions["xray"] = Xray(observer, port, controls, chapter)
    app.register_blueprint(bp)
    return app


def current() -> Xray:
    """Return what belongs to the app that answers this request."""
    found: Xray = current_app.extensions["xray"]
    return found


@bp.before_app_request
def refuse_others() -> None:
    """Answer only this machine's own pages and programs."""
    if why := refusal(request, current().port):
        abort(403, why)


@bp.get("/")
def page() -> Response:
    """Answer with the page."""
    nonce = secrets.token_urlsafe(16)
    answer = Response(render_template("index.html.j2", setup=current().setup(), nonce=nonce))
    answer.headers["Content-Security-Policy"] = POLICY.format(nonce)
    return answer


@bp.get("/saved")
def saved() -> Response:
    """Answer with a page that needs no server: it has all facts that are kept."""
    facts = current().observer.facts.history()
    setup = current().setup() | {"facts": facts, "saved": time.time(), "controls": False}
    answer = Response(render_template("index.html.j2", setup=setup, nonce=""))
    name = datetime.now().strftime("xray-%Y-%m-%d-%H%M.html")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@bp.get("/facts")
def facts() -> Response:
    """Answer with facts as they come (server-sent events), for as long as somebody listens."""
    xray = current()
    if len(xray.listeners) >= MOST_LISTENERS:
        abort(503, f"The X-ray is open {MOST_LISTENERS} times already: close a page.")
    last = request.headers.get("Last-Event-ID", "")
    gone = request.environ.get("waitress.client_disconnected", lambda: False)
    stream = listen(xray.observer, int(last) if re.fullmatch(r"\d{1,15}", last) else None, gone)
    return Response(counted(stream, xray.listeners), mimetype="text/event-stream")


@bp.get("/tasks/<task_id>")
def task(task_id: str) -> Response:
    """Answer with all that can be read of one task."""
    if len(task_id) > 200:
        abort(404, "No task has such an id.")
    return jsonify(current().observer.open(task_id))


@bp.post("/controls")
def control() -> tuple[Response, int]:
    """Pause a worker, let it take one message, let it go on, or kill a process."""
    controls = current().controls
    if controls is None:
        abort(403, "This X-ray only looks: it was not started by 'make run'.")
    do, arguments = asked()
    try:
        getattr(controls, do)(*arguments)
    except RefusedError as refused:
        abort(refused.status, refused.says)
    return jsonify({"done": do}), 202


def asked() -> tuple[str, list[Any]]:
    """Return which control is asked for, and with what. Abort with 422 if that can't be."""
    form = request.get_json(silent=True)
    form = form if isinstance(form, dict) else {}
    do, worker, pid = form.get("do"), form.get("worker"), form.get("pid")
    if do not in ("pause", "one", "resume", "kill") or not isinstance(worker, str):
        abort(422, "Say what to do (pause, one, resume or kill), and the worker's name.")
    if do != "kill":
        return do, [worker]
    if type(pid) is not int:
        abort(422, "Say which process to kill, by its number.")
    return do, [worker, pid]


@bp.app_errorhandler(HTTPException)
def problem(error: HTTPException) -> Response:
    """Answer with problem details (RFC 9457)."""
    fields = {"title": error.name, "status": error.code, "detail": error.description}
    return Response(json.dumps(fields), error.code, mimetype="application/problem+json")


@bp.after_app_request
def keep_to_yourself(answer: Response) -> Response:
    """Have nobody keep an answer, or embed it."""
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return answer


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
