"""The page of a chapter that the tests have made up."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index() -> str:
    return "Nothing to see here."
