"""Last call: the statistics, shortly before the lab's shop in Berlin closes.

| an entry in beat's schedule | must be |
| --- | --- |
| its name | "last-call" |
| the task that it sends | tasks.count |
| when | Monday to Friday at 17:45 in Berlin, in summer and in winter |
| if no worker takes it | it expires when the shop closes, at 18:00 |
| the lab's own entries | are sent as before (also on Berlin's clock, if you like) |

`make check CHAPTER=03` makes an app with SETTINGS, and turns the clock through three
weeks. In two of them Berlin's clocks change.
"""

from typing import Any

from lab.schedule import SCHEDULE

# `create_app` is given {"CELERY": SETTINGS}. Each of these replaces the lab's setting.
SETTINGS: dict[str, Any] = {
    "beat_schedule": SCHEDULE,  # TODO: add the entry
    # TODO: whose clock is it?
}
