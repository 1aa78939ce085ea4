"""RabbitMQ's management interface: what it tells of queues. https://www.rabbitmq.com/docs/management"""

import base64
import json
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import ProxyHandler, Request, build_opener

PORT = 15672  # RabbitMQ's default
WITHIN = 2  # seconds
# So it answers in a millisecond, with what is so now; its statistics are five seconds old.
ONLY_TOTALS = "disable_stats=true&enable_queue_totals=true"
direct = build_opener(ProxyHandler({}))


class Depth(NamedTuple):
    """How many of a queue's messages wait, and how many are delivered and not acknowledged."""

    ready: int
    unacknowledged: int


class Management:
    """Asks one RabbitMQ of one virtual host, as the user that the broker's address names."""

    def __init__(self, broker: str, url: str | None = None) -> None:
        parts = urlsplit(broker.partition(";")[0])
        self._broker_port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
        self._is_guess = url is None
        own = urlsplit(url or f"http://{parts.hostname or 'localhost'}:{PORT}")
        user = unquote(own.username or parts.username or "guest")
        password = unquote(own.password or parts.password or "guest")
        place = own.netloc.rpartition("@")[2]
        self.url = urlunsplit((own.scheme, place, own.path.rstrip("/"), "", ""))
        self._refused = f"the user {user} is refused, who needs the tag 'monitoring'"
        host = unquote(parts.path[1:]) or "/"
        self._queues = f"queues/{quote(host, safe='')}?{ONLY_TOTALS}"
        secret = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {secret}"}

    def depths(self) -> dict[str, Depth]:
        """Return the depth of each queue; an OSError says in words why that can't be had."""
        if self._is_guess:
            listeners = self._get("overview?disable_stats=true").get("listeners")
            if listeners is None:
                raise OSError(self._refused)
            if self._broker_port not in [listener["port"] for listener in listeners]:
                raise OSError("that of another RabbitMQ answers")
            self._is_guess = False
        return {
            queue["name"]: Depth(
                queue.get("messages_ready", 0), queue.get("messages_unacknowledged", 0)
            )
            for queue in self._get(self._queues)
        }

    def _get(self, what: str) -> Any:
        request = Request(f"{self.url}/api/{what}", headers=self._headers)
        try:
            with direct.open(request, timeout=WITHIN) as answer:
                return json.load(answer)
        except HTTPError as error:
            if error.code in (401, 403):
                raise OSError(self._refused) from None
            raise OSError(f"the answer is {error.code} {error.reason}") from None
        except (HTTPException, ValueError):
            raise OSError("what answers is no RabbitMQ") from None
