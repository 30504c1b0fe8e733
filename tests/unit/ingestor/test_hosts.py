import pytest
from yarl import URL

from ingestor.hosts import AllowedHosts, PublicAddresses, _is_public
from shared.errors import ErrorCode, PermanentError

GRAPH = URL("https://graph.facebook.com")
HOSTS = AllowedHosts(suffixes=("fbsbx.com", "fbcdn.net"), graph=GRAPH)


@pytest.mark.parametrize(
    "url",
    [
        "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1",
        "https://fbcdn.net/x",
        "https://LOOKASIDE.FBSBX.COM/x",
        "https://lookaside.fbsbx.com./x",
        "https://graph.facebook.com/x",
        "https://lookaside.fbsbx.com:443/x",
    ],
)
def test_metas_hosts_are_allowed(url: str) -> None:
    HOSTS.check(URL(url))


@pytest.mark.parametrize(
    "url",
    [
        "http://lookaside.fbsbx.com/x",
        "https://lookaside.fbsbx.com:8443/x",
        "https://evilfbcdn.net/x",
        "https://fbcdn.net.evil.example/x",
        "https://user@lookaside.fbsbx.com/x",
        "https://lookaside.fbsbx.com@evil.example/x",
        "https://157.240.0.1/x",
        "https://[2a03:2880::1]/x",
        "https://2130706433/x",
        "https://127.0.0.1/x",
        "https://evil.com%2f.fbsbx.com/x",
        "file:///etc/passwd",
        "ftp://lookaside.fbsbx.com/x",
        "//lookaside.fbsbx.com/x",
        "/relative",
    ],
)
def test_everything_else_is_refused_for_good(url: str) -> None:
    with pytest.raises(PermanentError) as refused:
        HOSTS.check(URL(url))

    assert refused.value.code is ErrorCode.HOST_NOT_ALLOWED


def test_the_configured_graph_may_be_http_on_loopback_but_no_other_port_of_it() -> None:
    hosts = AllowedHosts(suffixes=(), graph=URL("http://127.0.0.1:8090"))

    hosts.check(URL("http://127.0.0.1:8090/x"))

    with pytest.raises(PermanentError):
        hosts.check(URL("http://127.0.0.1:8091/x"))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "fe80::1",  # noqa: S104
     "fd00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "ff02::1", "2001::1"],
)  # fmt: skip
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not _is_public(address)


@pytest.mark.parametrize("address", ["157.240.0.1", "2a03:2880:f12f::1", "::ffff:157.240.0.1"])
def test_addresses_outside_are_public(address: str) -> None:
    assert _is_public(address)


async def test_a_name_that_points_inside_is_refused_unless_it_is_the_configured_graph() -> None:
    with pytest.raises(PermanentError):
        await PublicAddresses(exempt=None).resolve("localhost", 443)

    assert await PublicAddresses(exempt="localhost").resolve("localhost", 443)
