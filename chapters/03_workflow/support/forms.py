"""What visitors write into forms: read it, or say what is wrong with it."""

from datetime import UTC, datetime, timedelta

from email_validator import EmailNotValidError, validate_email
from flask import Request, abort

EXAMPLE = "such as 2026-12-24T17:00:00Z"
LONGEST = timedelta(days=365)


def form_time(request: Request, field: str) -> datetime:
    """Return a time from the form that is aware and to come, or answer 422."""
    try:
        found = datetime.fromisoformat(request.form.get(field, ""))
    except ValueError:
        abort(422, f"Send a form in which '{field}' is a time, {EXAMPLE}.")
    if found.tzinfo is None:
        abort(422, f"In which time zone? Add the offset to '{field}', {EXAMPLE}.")
    if not timedelta(0) < found - datetime.now(UTC) < LONGEST:
        abort(422, "This time is past, or more than a year away.")
    return found


def form_email(request: Request, field: str) -> str:
    """Return an e-mail address from the form, or answer 422."""
    text = request.form.get(field, "")
    try:
        email = validate_email(text, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        example = "such as you@example.com"
        abort(422, f"Send a form in which '{field}' is an e-mail address, {example}.")
    return email.ascii_email or email.normalized
