"""Where Graph is, for every service that calls it. A token must not travel over plain http to another machine."""

import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from pydantic import Field

from shared.setting_types import Flag, HttpAddress
from shared.settings import Problem, ServiceSettings


class GraphSettings(ServiceSettings):
    """For services that call Meta's Graph API."""

    whatsapp_graph_url: HttpAddress = Field(
        default="https://graph.facebook.com", description="an https URL such as https://graph.facebook.com"
    )
    whatsapp_graph_version: str = Field(
        default="v25.0", pattern=r"^v\d{1,3}\.\d{1,2}$", description="a Graph version such as v25.0"
    )
    whatsapp_allow_http_graph: Flag = Field(default=False, description="true or false")

    @classmethod
    def contradictions(cls, given: Mapping[str, str]) -> Iterator[Problem]:
        """See `ServiceSettings`."""
        yield from super().contradictions(given)
        allowed = given.get("WHATSAPP_ALLOW_HTTP_GRAPH") == "true"
        if not allowed and _shows_token(given.get("WHATSAPP_GRAPH_URL", "")):
            yield (
                "WHATSAPP_GRAPH_URL",
                "plain http would show the access token to the network; expected https, a loopback address, "
                "or WHATSAPP_ALLOW_HTTP_GRAPH=true",
            )


def _shows_token(url: str) -> bool:
    try:
        graph = urlsplit(url)
    except ValueError:
        return False  # told already, as no URL at all
    return graph.scheme == "http" and not _is_loopback(graph.hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
