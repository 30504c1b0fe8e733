"""From the bytes of a webhook to the events it announces. Pure: no clock, no network, no exception."""

from webhook_gateway.whatsapp.envelope import Parsed, Unreadable, parse

__all__ = ["Parsed", "Unreadable", "parse"]
