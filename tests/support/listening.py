"""Who else could reach what a run has started: its listening sockets."""

from contextlib import suppress
from ipaddress import ip_address

import psutil

from tests.support.terminal_run import Run


def listening(run: Run) -> set[tuple[str, str]]:
    """Return each address that a run's processes listen on, with the program's name."""
    processes = {*run.process_tree(), *run.process.children(recursive=True), run.process}
    found = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add((process.name(), connection.laddr.ip))
    return found


def expect_loopback_only(run: Run, *programs: str) -> None:
    """Demand that these programs listen, and that nothing listens but on this machine."""
    found = listening(run)
    assert set(programs) <= {program for program, _ in found}
    assert [pair for pair in found if not ip_address(pair[1]).is_loopback] == []
