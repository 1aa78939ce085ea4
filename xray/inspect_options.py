"""How to ask an app's workers without touching the messages that they hold."""

from xray.addresses import is_redis

# Whoever waits for workers' answers through kombu also puts back into the queues what has been
# unacknowledged for an hour. For an app that allows its tasks longer, they would run twice. So we
# have it look after keys of its own, in which nothing ever is.
UNUSED_KEYS = {
    "unacked_key": "xray.unacked",
    "unacked_index_key": "xray.unacked_index",
    "unacked_mutex_key": "xray.unacked_mutex",
}


def inspect_options(broker_url: str) -> dict[str, str]:
    """Return the transport options with which asking touches nothing: only Redis has such keys."""
    return UNUSED_KEYS if is_redis(broker_url) else {}
