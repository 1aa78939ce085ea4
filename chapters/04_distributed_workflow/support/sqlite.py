"""SQLite for several processes at once: web and worker write to the same file."""

import sqlite3
from typing import Any

from sqlalchemy import Engine, event, text


def use_wal(engine: Engine) -> None:
    """Let readers and a writer work at the same time; the file remembers it.

    See https://sqlite.org/wal.html
    """
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.execute(text("PRAGMA journal_mode = WAL"))


@event.listens_for(Engine, "connect")
def use_normal_synchronous(connection: Any, _: object) -> None:
    """Sync the file now and then, not at each commit: with WAL that is safe.

    After a power cut the last commits may be missing, but the file is whole.
    """
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = NORMAL")
