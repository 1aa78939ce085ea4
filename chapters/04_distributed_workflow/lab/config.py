"""The settings of Celery: for all processes, for the web, for a worker."""

from support.settings import Settings

RESULT_EXPIRES = 24 * 60 * 60  # seconds; an order may wait as long

DEFAULTS: Settings = {
    "broker_url": "redis://localhost:6379/0",
    "result_backend": "redis://localhost:6379/1",
    "accept_content": ["json"],  # refuse what could carry code, such as pickle
    "broker_connection_retry_on_startup": True,  # a worker waits for its broker
    "database_create_tables_at_setup": False,  # not at start, but at the first result
    "result_expires": RESULT_EXPIRES,
    "task_default_queue": "photos",  # Celery's default is "celery", for every app
    "task_soft_time_limit": 50,  # seconds; then the task gets an exception
    "task_time_limit": 60,  # seconds; then its process is killed
    "task_track_started": True,  # or a task that runs looks like one that waits
}

# Flask has a visitor who waits: it gives up at once. (By default after many seconds.)
WEB: Settings = {
    "task_publish_retry_policy": {"max_retries": 0},
    "broker_connection_timeout": 1,  # seconds, for RabbitMQ; the next line is Redis'
    "broker_transport_options": {
        "max_retries": 0,  # for `revoke`, which has no retry policy
        "socket_connect_timeout": 0.4,
        "socket_timeout": 1.5,
    },
    "redis_socket_connect_timeout": 0.4,  # "redis_" is the result backend
    "redis_socket_timeout": 1.5,
    "result_backend_always_retry": False,
    "result_backend_transport_options": {"retry_policy": {"max_retries": 0}},
}

# Nobody waits for a worker: it tries again, until the servers are back. It sends, too:
# whoever ends the last task of a header sends the body.
WORKER: Settings = {
    "result_backend_always_retry": True,  # a state can't be stored? Try again
    "task_publish_retry_policy": {"max_retries": 100, "interval_max": 1},  # seconds
}
