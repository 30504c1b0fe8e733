"""Where links and redirects may lead: to the file, or to where no client should ever follow."""

from __future__ import annotations

from enum import StrEnum

from yarl import URL

_BELOW_META = "simulated.fbsbx.com"  # below an allowed host; the name does not exist, so a careless client goes nowhere


class Target(StrEnum):
    """Where a link leads. The first three work; from the others nothing can be fetched."""

    SAME_HOST = "same_host"
    OTHER_HOST = "other_host"  # this simulator by its other name, localhost or 127.0.0.1
    USER_INFO = "user_info"  # this simulator, with a user name and a password before the host
    LOOP = "loop"  # of a redirect: to itself, for ever; a link cannot loop and leads to the file
    FORBIDDEN_HOST = "forbidden_host"
    LOOKALIKE_HOST = "lookalike_host"  # begins with Meta's name, ends with another
    DISGUISED_HOST = "disguised_host"  # Meta's name as the user name before another host
    HTTP = "http"  # an allowed host without TLS
    PORT = "port"  # an allowed host on another port than 443
    IP = "ip"  # https://127.0.0.1
    IPV6 = "ipv6"  # https://[::1]
    IP_NUMBER = "ip_number"  # https://2130706433, which is 127.0.0.1 to some resolvers
    FILE = "file"  # file:///etc/hostname
    NOT_A_URL = "not_a_url"
    NONE = "none"  # no Location, no `url`


_PLACES = {
    Target.FORBIDDEN_HOST: "https://media.attacker.example{path}",
    Target.LOOKALIKE_HOST: "https://lookaside.fbsbx.com.attacker.example{path}",
    Target.DISGUISED_HOST: "https://lookaside.fbsbx.com@media.attacker.example{path}",
    Target.HTTP: f"http://{_BELOW_META}{{path}}",
    Target.PORT: f"https://{_BELOW_META}:8443{{path}}",
    Target.IP: "https://127.0.0.1{path}",
    Target.IPV6: "https://[::1]{path}",
    Target.IP_NUMBER: "https://2130706433{path}",
    Target.FILE: "file:///etc/hostname",
    Target.NOT_A_URL: "https://[not a url",
}


def place(target: Target, url: str | None, *, origin: URL, path: str) -> str | None:
    """The address to give for this target, or for `url` if there is one; `path` is that of a link that works."""
    if url is not None:
        return url.replace("{path}", path)
    match target:
        case Target.NONE:
            return None
        case Target.SAME_HOST | Target.LOOP:
            return f"{origin}{path}"
        case Target.OTHER_HOST:
            return f"{origin.with_host('127.0.0.1' if origin.host == 'localhost' else 'localhost')}{path}"
        case Target.USER_INFO:
            return f"{origin.scheme}://meta:secret@{origin.authority}{path}"
        case _:
            return _PLACES[target].replace("{path}", path)
