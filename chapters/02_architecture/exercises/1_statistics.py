"""A task of your own, in whichever app asks for it: statistics.

One program makes two photo labs, each with a database of its own. Their owner wants
numbers from both.

| the database of the app that was asked | the task returns |
| --- | --- |
| 3 photos, of 0.5 s, 0.25 s and None | {"photos": 3, "developed": 2, "seconds": 0.75} |
| 1 photo, of None | {"photos": 1, "developed": 0, "seconds": 0} |

The task's name is tasks.statistics. Like the tasks in lab/tasks.py it names no app.

`make check CHAPTER=02` makes both labs, starts a worker for each that imports this file
(with Celery's option --include), and asks the one, then the other.
"""


# TODO: make this a task whose name is tasks.statistics
def statistics() -> dict[str, float]:
    """Return how many photos there are, how many are developed, and their seconds.

    `Photo.seconds` is None while a photo isn't developed.
    """
    return {"photos": 0, "developed": 0, "seconds": 0}  # TODO: ask the app's database
