"""The chapter's chores, one by one: what was sent, what is private, how SQLite writes."""

import socket
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import ChordError
from kombu.exceptions import OperationalError
from PIL import UnidentifiedImageError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import OperationalError as DatabaseError

from tests.support.outages import WAYS

pytestmark = pytest.mark.usefixtures("package")


def raised(error: Exception, cause: Exception | None) -> Exception:
    """Return an error as it is when another caused it."""
    try:
        raise error from cause
    except type(error) as found:
        return found


# --- sending: was a message sent all the same? ---------------------------------------------------


@pytest.mark.parametrize(
    ("error", "cause", "surely"),
    [
        pytest.param(OperationalError(), ConnectionRefusedError(), True, id="nobody listens"),
        pytest.param(OperationalError(), socket.gaierror(), True, id="no such host"),
        pytest.param(RuntimeError("Retry limit exceeded"), None, True, id="the backend, before"),
        pytest.param(RedisConnectionError(), ConnectionRefusedError(), True, id="redis refuses"),
        pytest.param(OperationalError("connecting"), None, False, id="a text decides nothing"),
        pytest.param(OperationalError(), ConnectionResetError(), False, id="broken meanwhile"),
        pytest.param(RedisTimeoutError(), TimeoutError(), False, id="sent, and no answer"),
    ],
)
def test_a_message_surely_never_left_only_without_a_connection(
    error: Exception, cause: Exception | None, surely: bool
) -> None:
    from support.sending import surely_not_sent

    assert surely_not_sent(raised(error, cause)) is surely


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("url", ["redis://127.0.0.1:{}/0", "amqp://guest@127.0.0.1:{}//"])
def test_what_fails_when_connecting_was_surely_not_sent(
    url: str, way: str, package: ModuleType
) -> None:
    from lab.config import WEB
    from support.sending import NotConnectedError, connect, surely_not_sent

    open_socket: Callable[[], socket.socket] = WAYS[way]
    with open_socket() as server:
        celery = Celery(broker=url.format(server.getsockname()[1]))
        celery.conf.update(WEB)
        with pytest.raises(NotConnectedError) as found:
            connect(celery)

    assert surely_not_sent(found.value)


def test_the_answer_says_whether_an_order_was_taken() -> None:
    from support.sending import NotConnectedError, broker_unavailable

    refused = broker_unavailable("ID", NotConnectedError())
    unsure = broker_unavailable("ID", OperationalError())

    assert "Your order wasn't taken" in str(refused.description)
    assert "It may have your order: see /tasks/ID first" in str(unsure.description)


# --- status: what visitors may read of an error --------------------------------------------------

SQL = "INSERT INTO photo VALUES (:secret)"


@pytest.mark.parametrize(
    ("error", "private"),
    [
        pytest.param(ValueError("two"), False, id="a task's own"),
        pytest.param(UnidentifiedImageError("damaged"), False, id="ours, of a photo"),
        pytest.param(OSError(28, "No space", "/home/me/secret"), True, id="a path"),
        pytest.param(RedisConnectionError("redis://:secret@host"), True, id="an address"),
        pytest.param(OperationalError("amqp://me:secret@host"), True, id="the broker's"),
        pytest.param(IntegrityError(SQL, {"secret": 1}, Exception()), True, id="a row"),
        pytest.param(DatabaseError(SQL, {"secret": 1}, Exception()), True, id="a statement"),
    ],
)
def test_an_errors_text_is_hidden_where_it_may_hold_secrets(
    error: Exception, private: bool
) -> None:
    from support.status import describe_error, is_private

    described = describe_error(error)

    assert is_private(error) is private
    assert described["type"] == type(error).__name__
    assert (described["message"] == "The worker's log says more.") is private
    assert "secret" not in described["message"]


def test_a_chords_error_doesnt_quote_the_error_of_a_task_before_it() -> None:
    from support.status import describe_error

    described = describe_error(ChordError("Dependency ID raised OSError('/home/me/secret')"))

    assert described["type"] == "ChordError"
    assert "secret" not in described["message"]


# --- sqlite: web and worker write to the same file -----------------------------------------------


def test_the_database_uses_wal_and_normal_synchronous(package: ModuleType, tmp_path: Path) -> None:
    from lab.db import db

    app = package.create_app({"DIR": tmp_path})
    assert app.test_cli_runner().invoke(args=["init-db"]).exit_code == 0
    with app.app_context(), db.engine.connect() as connection:

        def pragma(name: str) -> Any:
            return connection.execute(text(f"PRAGMA {name}")).scalar()

        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 1, "NORMAL"
