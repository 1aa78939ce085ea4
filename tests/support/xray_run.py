"""`make run` of a chapter, with its X-ray."""

from pathlib import Path

from tests.support.terminal_run import Run
from workbench.probes import free_port


class XrayRun(Run):
    """A chapter that runs with its X-ray."""

    def __init__(self, var: Path, name: str, **env: str) -> None:
        port = free_port()
        super().__init__(var, chapter_name=name, XRAY="1", XRAY_PORT=str(port), **env)
        self.read_until("Ready (")
        self.xray = f"http://127.0.0.1:{port}"
        self.url = f"http://127.0.0.1:{self.port}"
