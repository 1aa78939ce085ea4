"""How to ask a lab's workers without touching the messages that they hold."""

from workbench.addresses import is_redis

# Whoever waits for workers' answers through kombu also puts back into the queues what has been
# unacknowledged for an hour. For an app that allows its tasks longer, they would run twice. So we
# have it look after keys of its own, in which nothing ever is.
OWN_KEYS = {
    "unacked_key": "workbench.unacked",
    "unacked_index_key": "workbench.unacked_index",
    "unacked_mutex_key": "workbench.unacked_mutex",
}


def own_keys(broker_url: str) -> dict[str, str]:
    """Return the transport options for asking aside: only Redis has such keys."""
    return OWN_KEYS if is_redis(broker_url) else {}
