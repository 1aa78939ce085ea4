"""Chapter 3 answers over HTTP as every chapter does."""

from tests.support.http_contract import HttpContract


class TestHttpContract(HttpContract):
    upload_path = "/photos"
