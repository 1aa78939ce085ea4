"""The field guide's entries about what is seen before anything works."""

import pytest

from tests.field_guide.conftest import Project
from tests.field_guide.guide import Words

pytestmark = pytest.mark.slow


def test_flask_object_has_no_attribute_user_options(project: Project, words: Words) -> None:
    project.write(
        "tasks.py",
        """
        from celery import Celery
        from flask import Flask

        app = Flask(__name__)
        celery_app = Celery("tasks")
        """,
    )
    words.seen_in(project.run("celery -A tasks report"))
    words.gone_from(project.run("celery -A tasks:celery_app report"))
