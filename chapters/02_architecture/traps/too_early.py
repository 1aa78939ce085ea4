"""A trap: a task is sent for a row that isn't committed, and the worker is quicker."""

from lab import create_app
from lab.db import db
from lab.models import Photo
from lab.tasks import develop

with create_app().app_context():
    db.session.add(Photo(id="too early", name="too early"))
    db.session.flush()  # written, but in a transaction: nobody else sees it
    print(repr(develop.delay("too early").get(timeout=10, propagate=False)))
    db.session.rollback()
