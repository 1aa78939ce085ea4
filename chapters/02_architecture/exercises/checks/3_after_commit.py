"""Commit, roll back and close a session; look into the queue at each step."""

import importlib
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis
from sqlalchemy.orm import Session

from lab import create_app
from lab.db import db
from lab.models import Photo
from lab.tasks import develop, my_task
from workbench.chapter_run import ChapterRun

BEACH, SUM, HARBOUR = (
    "tasks.develop('beach')",
    "tasks.my_task(1, 2)",
    "tasks.develop('harbour')",
)
SendAfterCommit = Callable[..., None]
Expect = Callable[..., None]


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Try each row of the exercise's table."""
    send_after_commit = importlib.import_module(answer.stem).send_after_commit
    app = create_app()
    app.test_cli_runner().invoke(args=["init-db"])
    queue = app.extensions["celery"].conf.task_default_queue
    redis = Redis.from_url(chapter_run.broker_url, decode_responses=True)

    def expect(moment: str, *expected: str) -> None:
        found = [shown(message) for message in reversed(redis.lrange(queue, 0, -1))]
        assert found == list(expected), (
            f"Expected in the queue {moment}: {', '.join(expected) or 'nothing'}. "
            f"With yours it holds: {', '.join(found) or 'nothing'}."
        )

    with app.app_context():
        commit(send_after_commit, expect)
        roll_back(send_after_commit, expect)
        close(send_after_commit, expect)
        release_a_savepoint(send_after_commit, expect)
        add("harbour")
        send_after_commit(db.session(), develop, "harbour")
        db.session.commit()
        expect("after one more commit, which has a task to send", BEACH, SUM, HARBOUR)


def add(photo_id: str) -> None:
    """Begin to write: a session that has done nothing commits nothing."""
    db.session.add(Photo(id=photo_id, name=photo_id))
    db.session.flush()


def commit(send_after_commit: SendAfterCommit, expect: Expect) -> None:
    """Commit this session, after another."""
    add("beach")
    send_after_commit(db.session(), develop, "beach")
    send_after_commit(db.session(), my_task, 1, 2)
    expect("before the commit")
    with Session(db.engine) as another:
        another.get(Photo, "beach")
        another.commit()
    expect("after another session's commit")
    db.session.commit()
    expect("after the commit", BEACH, SUM)
    add("notes")
    db.session.commit()
    expect("after the next commit, which has nothing to send", BEACH, SUM)


def roll_back(send_after_commit: SendAfterCommit, expect: Expect) -> None:
    """Roll back, then commit something else."""
    add("fog")
    send_after_commit(db.session(), develop, "fog")
    db.session.rollback()
    expect("after a rollback", BEACH, SUM)
    add("rain")
    db.session.commit()
    expect("after a rollback and the next commit", BEACH, SUM)


def close(send_after_commit: SendAfterCommit, expect: Expect) -> None:
    """Close the session without a commit, then commit something else."""
    add("dusk")
    send_after_commit(db.session(), develop, "dusk")
    db.session().close()
    add("dawn")
    db.session.commit()
    expect("after session.close() and the next commit", BEACH, SUM)


def release_a_savepoint(send_after_commit: SendAfterCommit, expect: Expect) -> None:
    """Release a savepoint, then roll back all."""
    add("hill")
    with db.session.begin_nested():
        send_after_commit(db.session(), develop, "hill")
        add("valley")
    expect("when a savepoint is released, before the commit", BEACH, SUM)
    db.session.rollback()
    expect("after a savepoint was released and all was rolled back", BEACH, SUM)


def shown(message: Any) -> str:
    """Return a message as the call that it stands for."""
    envelope = json.loads(message)
    args, *_ = json.loads(b64decode(envelope["body"]))
    return f"{envelope['headers']['task']}({', '.join(map(repr, args))})"
