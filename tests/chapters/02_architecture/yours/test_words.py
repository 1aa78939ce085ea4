"""Tests with a real worker, and without servers: it runs in a thread of this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery.contrib.testing.worker import start_worker
from flask import Flask

from words import create_app
from words.models import db


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setenv("WORDS_CELERY__broker_url", "memory://")
    monkeypatch.setenv("WORDS_CELERY__result_backend", "cache+memory://")
    database = f"sqlite:///{tmp_path}/test.sqlite"
    monkeypatch.setenv("WORDS_SQLALCHEMY_DATABASE_URI", database)
    app = create_app(process={})
    with app.app_context():
        db.create_all()
    with start_worker(app.extensions["celery"], perform_ping_check=False):
        yield app


def test_a_worker_counts_the_words(app: Flask) -> None:
    client = app.test_client()
    answer = client.post("/texts", data="commit, then send")
    result = app.extensions["celery"].AsyncResult(answer.get_json()["id"])
    assert result.get(timeout=10) == 3
    assert client.get(answer.headers["Location"]).get_json()["words"] == 3
