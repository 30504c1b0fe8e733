"""Where an access token may travel: Graph itself, and media hosts of the list, over https, to public addresses."""

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from shared.errors import ErrorCode, PermanentError

_HTTPS = 443
_HOST = re.compile(r"[a-z0-9.-]+")
# NAT64, 6to4, Teredo, IPv4-compatible
_TUNNELS = tuple(ipaddress.IPv6Network(net) for net in ("64:ff9b::/96", "2002::/16", "2001::/32", "::/96"))


@dataclass(frozen=True, kw_only=True)
class AllowedHosts:
    """`suffixes` are matched by whole labels; `graph` is the configured Graph URL, whose own origin is allowed."""

    suffixes: Sequence[str]
    graph: URL

    def check(self, url: URL) -> None:
        """Raise `PermanentError` (`host_not_allowed`) unless a download from `url` is allowed."""
        if url.scheme not in {"http", "https"} or not url.host:
            raise _refused(url, "it is not an https link")
        if url.user is not None or url.password is not None:
            raise _refused(url, "it holds a user name")
        if url.origin() == self.graph.origin():
            return
        if url.scheme != "https" or url.port != _HTTPS:
            raise _refused(url, "only https on port 443 is allowed")
        host = (url.host or "").rstrip(".").lower()
        if not _HOST.fullmatch(host):
            raise _refused(url, "the host has characters that no host name has")
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
        public = [entry for entry in found if _is_public(entry["host"])]
        if not public:
            msg = f"Meta's link leads to {host}, which points to a private address"
            raise PermanentError(msg, code=ErrorCode.HOST_NOT_ALLOWED)
        return public

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in tunnel for tunnel in _TUNNELS):
            return False  # an IPv4 address in disguise, private ones among them
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
    return address.is_global and not address.is_multicast


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
