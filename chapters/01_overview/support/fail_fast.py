"""Celery's settings for a process in which somebody waits for an answer."""

# By default, sending a task waits up to 20 seconds for servers that don't answer.
FAIL_FAST = {
    "task_publish_retry_policy": {"max_retries": 0},
    "broker_connection_timeout": 1,  # seconds, for RabbitMQ; the next line is Redis'
    "broker_transport_options": {"socket_connect_timeout": 0.4, "socket_timeout": 1.5},
    "redis_socket_connect_timeout": 0.4,  # "redis_" is the result backend
    "redis_socket_timeout": 1.5,
    "result_backend_transport_options": {"retry_policy": {"max_retries": 0}},
}
