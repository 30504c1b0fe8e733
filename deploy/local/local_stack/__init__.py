"""Attache on one machine without containers: embedded MongoDB and RabbitMQ, and the four services beside them."""

from local_stack.errors import AlreadyRunning, NotInstalled, SettingsMissing, StackError, StartFailed
from local_stack.infrastructure import Infrastructure, infrastructure
from local_stack.server import Server
from local_stack.stack import SERVICES, Service, Stack, stack

__all__ = [
    "SERVICES",
    "AlreadyRunning",
    "Infrastructure",
    "NotInstalled",
    "Server",
    "Service",
    "SettingsMissing",
    "Stack",
    "StackError",
    "StartFailed",
    "infrastructure",
    "stack",
]
