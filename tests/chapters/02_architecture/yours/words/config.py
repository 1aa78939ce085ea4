"""The settings of Celery. The environment changes them: WORDS_CELERY__broker_url=..."""

CELERY = {
    "broker_url": "redis://localhost:6379/0",
    "result_backend": "redis://localhost:6379/1",
    "accept_content": ["json"],  # refuse what could carry code
    "task_default_queue": "words",  # not "celery", which other apps use
    "task_soft_time_limit": 50,  # seconds; then the task gets an exception
    "task_time_limit": 60,  # seconds; then its process is killed
    "task_track_started": True,
    "result_expires": 24 * 60 * 60,
}

# For Flask, whose visitor waits: give up at once. A worker doesn't get these.
WEB = {
    "task_publish_retry_policy": {"max_retries": 0},
    "broker_transport_options": {"socket_connect_timeout": 0.4, "socket_timeout": 1.5},
    "redis_socket_connect_timeout": 0.4,
    "redis_socket_timeout": 1.5,
    "result_backend_transport_options": {"retry_policy": {"max_retries": 0}},
}
