"""Last call: every weekday, a quarter of an hour before the shop closes.

The lab has a shop in Berlin, which closes at six in the evening. At 17:45, Monday to Friday, its
keeper wants the day's figures in the diary: beat is to send tasks.count, by an entry that is named
"last-call". A message that no worker has taken when the shop closes is to lapse. Whatever beat has
sent so far it goes on sending; should that come at Berlin's hours as well, so much the better.

`make check CHAPTER=03` makes an app with these settings, turns the clock through three weeks, and
asks beat's own scheduler what it would send. In two of them Berlin's clocks change.
"""

from typing import Any

from lab.schedule import SCHEDULE

# What `create_app` is given as {"CELERY": SETTINGS}. It wins over the lab's own, name by name.
SETTINGS: dict[str, Any] = {
    "beat_schedule": SCHEDULE,  # TODO: one entry more. And is that all that it takes?
}
