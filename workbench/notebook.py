"""Open a chapter's notebook in JupyterLab."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from workbench import chapter
from workbench.errors import UserError


def of(chapter_name: str) -> Path:
    """Return the notebook of a chapter. Raise UserError if it has none."""
    name = chapter.find(chapter_name).name
    path = chapter.ROOT / f"notebooks/{name}.ipynb"
    if not path.exists():
        raise UserError(f"Chapter {name} has no notebook: notebooks/{path.name} is missing.")
    return path


def environment(var: Path) -> dict[str, str]:
    """Return the variables that keep Jupyter's, IPython's and matplotlib's files in one folder."""
    return {
        "IPYTHONDIR": str(var / "ipython"),
        "JUPYTER_CONFIG_DIR": str(var / "jupyter/config"),
        "JUPYTER_DATA_DIR": str(var / "jupyter/data"),
        "JUPYTER_RUNTIME_DIR": str(var / "jupyter/runtime"),
        "MPLCONFIGDIR": str(var / "matplotlib"),
    }


def ask_nothing(var: Path) -> None:
    """Spare the reader JupyterLab's question about news, unless they have settings of their own."""
    folder = "jupyter/config/lab/user-settings/@jupyterlab/apputils-extension"
    settings = var / folder / "notification.jupyterlab-settings"
    if not settings.exists():
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text('{"fetchNews": "false"}\n')


def open_in_jupyter(path: Path, port: int, browser: bool) -> NoReturn:
    """Become JupyterLab, which opens a notebook; the next free port is taken if this one isn't."""
    options = {
        "Application.log_level": 40,  # errors, and the address
        "ServerApp.root_dir": chapter.ROOT,  # the notebook's links lead to the lessons
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.open_browser": browser,
        "ServerApp.allow_root": True,  # it listens on this machine only, and asks for its token
        "ServerApp.answer_yes": True,  # Ctrl-C ends it, without a question
        "FileCheckpoints.checkpoint_dir": chapter.VAR / "jupyter/checkpoints",
        "KernelManager.transport_encryption": "auto",  # or each kernel warns that it has none
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.default_url": f"/lab/tree/{path.relative_to(chapter.ROOT)}",
        "LabApp.extension_manager": "readonly",
        "LabApp.news_url": None,
    }
    ask_nothing(chapter.VAR)
    words = [sys.executable, "-m", "jupyterlab", str(path)]
    words += [f"--{name}={value}" for name, value in options.items()]
    os.execve(sys.executable, words, os.environ | environment(chapter.VAR))
