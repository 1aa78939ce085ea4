"""Addresses of brokers and result backends: their kind, and what of them may be shown."""

import re
from urllib.parse import urlsplit


def is_redis(url: str | None) -> bool:
    """Tell whether an address is that of a Redis."""
    return urlsplit(url or "").scheme in ("redis", "rediss")


def without_password(address: str) -> str:
    """Return what may not even be an address, to be read by a person."""
    return re.sub("//.*@", "//***@", address)
