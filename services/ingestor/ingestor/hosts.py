"""Where an access token may travel: Graph itself, and media hosts of the list, over https, to public addresses."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from shared.errors import ErrorCode, PermanentError

_HTTPS = 443


@dataclass(frozen=True, kw_only=True)
class AllowedHosts:
    """`suffixes` are matched by whole labels; `graph` is the configured Graph URL, whose own origin is allowed."""

    suffixes: Sequence[str]
    graph: URL

    def check(self, url: URL) -> None:
        """Raise `PermanentError` (`host_not_allowed`) unless a download from `url` is allowed."""
        if url.user is not None or url.password is not None:
            raise _refused(url, "it holds a user name")
        if url.origin() == self.graph.origin():
            return
        if url.scheme != "https" or url.port != _HTTPS:
            raise _refused(url, "only https on port 443 is allowed")
        host = (url.host or "").rstrip(".").lower()
        if _is_address(host):
            raise _refused(url, "it names an address instead of a host")
        # the list's hosts and Graph's, and what is below them by whole labels: evilfbcdn.net is not fbcdn.net
        allowed = (*self.suffixes, *([self.graph.host] if self.graph.host and not _is_address(self.graph.host) else []))
        if not any(host == suffix or host.endswith(f".{suffix}") for suffix in allowed):
            raise _refused(url, "the host is not in WHATSAPP_MEDIA_HOSTS")


class PublicAddresses(AbstractResolver):
    """Resolves names, but hands out no private address: a public name may point inside our network.

    `exempt` is the configured Graph host, which a test or a proxy may well have on loopback.
    """

    def __init__(self, *, exempt: str | None) -> None:
        self._resolver = ThreadedResolver()
        self._exempt = exempt

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The public addresses of `host`; `PermanentError` (`host_not_allowed`) when it has none."""
        found = await self._resolver.resolve(host, port, family)
        if host == self._exempt:
            return found
        public = [entry for entry in found if ipaddress.ip_address(entry["host"]).is_global]
        if not public:
            msg = f"Meta's link leads to {host}, which points to a private address"
            raise PermanentError(msg, code=ErrorCode.HOST_NOT_ALLOWED)
        return public

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.isdigit()  # 2130706433 is 127.0.0.1 to some resolvers
    return True


def _refused(url: URL, why: str) -> PermanentError:
    return PermanentError(
        f"Meta's link leads to {url.host}, where no download is allowed: {why}", code=ErrorCode.HOST_NOT_ALLOWED
    )
