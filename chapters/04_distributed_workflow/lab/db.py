"""The database."""

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """The base of all models."""


# After a commit, rows keep what they had: reading an id asks the database for nothing.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
