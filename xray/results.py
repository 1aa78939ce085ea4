"""Results, as the backend keeps them."""

import json
from typing import Any

from celery import Celery

from xray.facts import Facts
from xray.messages import HIDDEN

PREFIX = "celery-task-meta-"
ENOUGH = 4096  # bytes: what is longer is measured, and not read
AT_ONCE = 20  # results looked at in one round trip; in a rush, the latest


class RedisResults:
    """Looks at results in Redis."""

    def __init__(self, client: Any, facts: Facts) -> None:
        self.client, self.facts = client, facts

    def look(self, ids: list[str]) -> dict[str, str]:
        """Note the results of these tasks, as far as there are any; return their states."""
        states: dict[str, str] = {}
        if not ids:
            return states
        pipe = self.client.pipeline(transaction=False)
        for task_id in ids:
            key = PREFIX + task_id
            pipe.strlen(key).pttl(key).getrange(key, 0, ENOUGH - 1)
        answers = iter(pipe.execute())
        for task_id in ids:
            size, left, raw = next(answers), next(answers), next(answers)
            if size:
                found = json.loads(raw) if size <= ENOUGH else {"status": first_state(raw)}
                states[task_id] = str(found.get("status"))
                self.facts.add(
                    "result",
                    id=task_id,
                    state=found.get("status"),
                    bytes=size,
                    ttl=left / 1000 if left >= 0 else None,
                    group=found.get("group_id"),
                    parent=found.get("parent_id"),
                    expired=has_expired(found) or None,
                )
        return states

    def state(self, task_id: str) -> str | None:
        """Return the state that is stored, if any is."""
        return first_state(self.client.getrange(PREFIX + task_id, 0, 60))

    def opened(self, task_id: str, redact: bool) -> dict[str, Any] | None:
        """Return a result for whoever opens the task's card."""
        key = PREFIX + task_id
        raw, left = self.client.pipeline(transaction=False).get(key).pttl(key).execute()
        if raw is None:
            return None
        return {
            "key": key,
            "bytes": len(raw),
            "ttl": left / 1000 if left >= 0 else None,
            "value": hidden(json.loads(raw), redact),
        }


def has_expired(meta: dict[str, Any]) -> bool:
    """Tell whether a task was dropped since it was too late: Celery calls that revoked as well."""
    return meta.get("status") == "REVOKED" and "expired" in str(meta.get("result"))


def first_state(raw: bytes) -> str | None:
    """Return the state, with which a result begins, of one that is too long to be read."""
    words = raw[:60].decode(errors="replace").split('"')
    return words[3] if len(words) > 3 and words[1] == "status" else None


class OtherResults:
    """Asks by Celery's own means, where the backend isn't Redis."""

    def __init__(self, app: Celery, facts: Facts) -> None:
        self.app, self.facts = app, facts

    def look(self, ids: list[str]) -> dict[str, str]:
        """Note the states of these tasks, and return them."""
        states = {task_id: state for task_id in ids if (state := self.state(task_id))}
        for task_id, state in states.items():
            self.facts.add("result", id=task_id, state=state)
        return states

    def state(self, task_id: str) -> str | None:
        """Return the state that is stored, if any is."""
        found = str(self._meta(task_id)["status"])
        return None if found == "PENDING" else found

    def _meta(self, task_id: str) -> dict[str, Any]:
        try:
            return dict(self.app.backend.get_task_meta(task_id))
        except Exception as error:  # each backend has its own
            raise ConnectionError(f"{type(error).__name__}: {error}") from error

    def opened(self, task_id: str, redact: bool) -> dict[str, Any] | None:
        """Return a result for whoever opens the task's card; its size isn't known here."""
        meta = self._meta(task_id)
        if meta["status"] == "PENDING":
            return None
        return {"key": task_id, "bytes": None, "ttl": None, "value": hidden(meta, redact)}


def hidden(meta: dict[str, Any], redact: bool) -> dict[str, Any]:
    """Return a result without what may be secret, if that is wanted."""
    secret = ("result", "traceback", "args", "kwargs")
    return meta | {name: HIDDEN for name in secret if redact and meta.get(name) is not None}
