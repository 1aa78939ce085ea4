"""A task's message, as a broker holds it: an envelope, headers, and a body in base64."""

import base64
import json
from collections.abc import Mapping
from typing import Any

HIDDEN = "(redacted)"
LARGEST_BODY = 64 * 1024  # bytes; of a larger one, only what its headers say is made a fact


def task_id(envelope: Mapping[str, Any]) -> str | None:
    """Return the id of the task that a message asks for; None if it is no task's."""
    found = envelope.get("headers", {}).get("id")
    return str(found or envelope.get("properties", {}).get("correlation_id") or "") or None


def retries(envelope: Mapping[str, Any]) -> int:
    """Return how often the task was tried before this message was sent."""
    return int(envelope.get("headers", {}).get("retries") or 0)


def body(envelope: Mapping[str, Any]) -> Any:
    """Decode a body: of JSON. Anything else stays as it is, since pickle could carry code."""
    text = envelope.get("body")
    if envelope.get("content-type") != "application/json":
        return text
    try:
        if envelope.get("properties", {}).get("body_encoding") == "base64":
            text = base64.b64decode(str(text))
        return json.loads(text or "null")
    except ValueError:
        return text


def describe(envelope: Mapping[str, Any], size: int, redact: bool) -> dict[str, Any]:
    """Return what a fact says of a message. Needs Celery's protocol 2, its default since 4.0."""
    headers = envelope.get("headers", {})
    found = {
        "task": headers.get("task"),
        "args": shown(headers, redact),
        "root": headers.get("root_id"),
        "parent": headers.get("parent_id"),
        "group": headers.get("group"),
        "eta": headers.get("eta"),
        "expires": headers.get("expires"),
        "retries": headers.get("retries"),
        "origin": headers.get("origin"),
        "bytes": size,
    }
    return found | (embedded(envelope) if size <= LARGEST_BODY else {})


def shown(fields: Mapping[str, Any], redact: bool, names: str = "argsrepr kwargsrepr") -> str:
    """Return a task's arguments as its sender has written them for people, without brackets."""
    if redact:
        return HIDDEN
    given, named = (str(fields.get(name) or "") for name in names.split())
    given = given.removeprefix("(").removesuffix(")").removesuffix(",")
    return ", ".join(text for text in (given, "" if named == "{}" else named) if text)


def embedded(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the workflow that a body carries: links to come, and the task a chord ends in."""
    parts = body(envelope)
    if not (isinstance(parts, list) and len(parts) == 3 and isinstance(parts[2], dict)):
        return {}
    chord, chain = parts[2].get("chord"), parts[2].get("chain")
    found: dict[str, Any] = {}
    if chain:  # the next link is the last of the list
        found["chain"] = [str(link.get("task")) for link in reversed(chain)]
    if isinstance(chord, dict):
        steps = (
            chord.get("kwargs", {}).get("tasks") if chord.get("task") == "celery.chain" else None
        )
        first = (steps or [chord])[0]
        found["chord"] = first.get("options", {}).get("task_id")
        found["chord_task"] = first.get("task")
        if steps:  # what a chord ends in may be a chain
            found["chord_chain"] = [str(link.get("task")) for link in steps[1:]]
    return found


def opened(envelope: Mapping[str, Any], redact: bool) -> dict[str, Any]:
    """Return a message for whoever opens its card: as it is stored, and decoded."""
    headers, raw = dict(envelope.get("headers", {})), dict(envelope)
    decoded = body(envelope)
    if redact:
        headers |= {name: HIDDEN for name in ("argsrepr", "kwargsrepr") if name in headers}
        raw |= {"headers": headers, "body": HIDDEN}
        decoded = HIDDEN
    properties = envelope.get("properties", {})
    return {"raw": raw, "properties": properties, "headers": headers, "body": decoded}
