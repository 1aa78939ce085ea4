"""Commit and roll back a session of the lab, and look into the queue at each step."""

import importlib
import json
from base64 import b64decode
from pathlib import Path

from redis import Redis
from sqlalchemy.orm import Session

from lab import create_app
from lab.models import Photo, db
from lab.tasks import develop, my_task
from workbench.chapter_run import ChapterRun

BEACH, SUM, HARBOUR = (
    "tasks.develop('beach')",
    "tasks.my_task(1, 2)",
    "tasks.develop('harbour')",
)


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Make four transactions: two that are committed, one rolled back, one with nothing to send."""
    send_after_commit = importlib.import_module(answer.stem).send_after_commit
    app = create_app()
    app.test_cli_runner().invoke(args=["init-db"])
    queue = app.extensions["celery"].conf.task_default_queue
    redis = Redis.from_url(chapter_run.broker_url, decode_responses=True)

    def expect(moment: str, *expected: str) -> None:
        found = [shown(message) for message in reversed(redis.lrange(queue, 0, -1))]
        assert found == list(expected), (
            f"{moment}, the queue holds {', '.join(expected) or 'nothing'}. "
            f"With yours it holds {', '.join(found) or 'nothing'}."
        )

    with app.app_context(), Session(db.engine) as another:
        session = db.session()
        session.add(Photo(id="beach", name="beach"))
        send_after_commit(session, develop, "beach")
        send_after_commit(session, my_task, 1, 2)
        session.flush()
        expect("Before the commit")
        another.get(Photo, "beach")
        another.commit()
        expect("When another session commits, but not yet this one")
        session.commit()
        expect("After the commit", BEACH, SUM)

        session.add(Photo(id="notes", name="notes"))
        session.commit()
        expect("After the next commit, which has nothing to send", BEACH, SUM)

        session.add(Photo(id="fog", name="fog"))
        send_after_commit(session, develop, "fog")
        session.rollback()
        expect("After a rollback", BEACH, SUM)
        session.add(Photo(id="harbour", name="harbour"))
        send_after_commit(session, develop, "harbour")
        session.commit()
        expect("After a rollback and one more commit", BEACH, SUM, HARBOUR)


def shown(message: str | bytes) -> str:
    """Return a message as the call that it stands for."""
    envelope = json.loads(message)
    args, *_ = json.loads(b64decode(envelope["body"]))
    return f"{envelope['headers']['task']}({', '.join(map(repr, args))})"
