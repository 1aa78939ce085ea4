"""A trap: in a minute, on your clock. When is that for a worker?"""

from datetime import datetime, timedelta

from lab import create_app
from lab.tasks import my_task

create_app()

in_a_minute = datetime.now() + timedelta(minutes=1)
naive = my_task.apply_async((20, 22), eta=in_a_minute)  # it has no zone
aware = my_task.apply_async((20, 22), eta=in_a_minute.astimezone())  # yours
print(f"naive={naive.id}\naware={aware.id}")
