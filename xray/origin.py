"""Who may ask: this machine's own browser, for a page of ours. No other site in its name."""

from flask import Request


def refusal(request: Request, port: int) -> str | None:
    """Return why a request is refused, None if it is not."""
    hosts = {f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]")}
    if request.host not in hosts:  # a name that was made to lead here
        return "This address isn't the X-ray's: open it at 127.0.0.1."
    site = request.headers.get("Sec-Fetch-Site", "none")
    opens = (
        request.method == "GET"
        and request.path == "/"
        and request.headers.get("Sec-Fetch-Mode") == "navigate"
        and request.headers.get("Sec-Fetch-Dest", "document") == "document"
    )
    if site not in ("none", "same-origin") and not opens:
        return "Another site asks in your name: that is refused."
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        own = {f"http://{host}" for host in hosts}
        if request.headers.get("Origin", f"http://{request.host}") not in own:
            return "Another site asks in your name: that is refused."
        if request.mimetype != "application/json":
            return "Only JSON is taken, which no other site can send in your name."
    return None
