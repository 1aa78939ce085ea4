"""The album's workflow with `develop` itself in its header: one broken photo, and no sheet."""

import sys

from celery import chain, chord

from lab import create_app
from lab.db import db
from lab.models import Album
from lab.post import deliver
from lab.tasks import develop
from lab.workflow import sheet, tell

with create_app().app_context():
    album = db.session.get_one(Album, sys.argv[1])
    body = chain(sheet.s(album.id), deliver.s())
    body.on_error(tell.s(album.id))
    result = chord([develop.s(photo.id) for photo in album.photos], body)()
    print(repr(result.get(timeout=30, propagate=False)))
