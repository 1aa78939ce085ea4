"""A task of your own, in whichever app asks for it: statistics.

The lab has opened a second shop. One program now makes two apps, the harbour and the hill, each
with a database of its own, and their owner wants figures from both. Make `statistics` a task that
goes by the name tasks.statistics and counts the photos of the app that it was sent from. Like the
tasks in lab/tasks.py it knows neither of the two.

`make check CHAPTER=02` makes both apps, starts a worker for each that imports this file (with
Celery's option --include), and asks the one, then the other.
"""


# TODO: make this a task that goes by the name tasks.statistics
def statistics() -> dict[str, float]:
    """Return how many photos there are, how many are developed, and what work that was.

    A photo whose `seconds` are None isn't developed yet. Where none is, the work is 0 seconds.
    """
    return {"photos": 0, "developed": 0, "seconds": 0}  # TODO: ask the app's database
