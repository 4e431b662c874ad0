"""Which proxy is used: as set, or as the environment says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from hostio.net.budget import Timeouts
from hostio.net.httpfetch import HttpFetcher
from hostio.net.proxies import Proxy, parse_proxy, proxy_for
from hostio.system.clock import SystemClock
from osmodel.faults import InvalidInput, TransientFailure, UntrustedData
from tests.fakes.proxyserver import proxy_server
from tests.fakes.rudeserver import plain, served, status
from tests.fakes.tlsserver import Authority, served_by_tls

CONTENT = b"content" * 1000
HASTY = Timeouts(connect_s=1, silent_s=0.5, grace_s=0.8, least_rate=20_000)
SET = {"http_proxy": "http://proxy:3128", "https_proxy": "http://secure:3129"}
BASIC = "am9lOnNAY3JldA=="  # joe:s@cret


def chosen(url: str, setting: str = "", **environment: str) -> Proxy | None:
    scheme, _, rest = url.partition("://")
    host, _, port = rest.partition(":")
    return proxy_for(scheme, host, int(port or 80), setting, environment)


def fetched(url: str, *, proxy: str = "", environment: Mapping[str, str] | None = None) -> bytes:
    fetcher = HttpFetcher(SystemClock(), HASTY, proxy=proxy, environment=environment or {})
    stream = fetcher.open(url)
    try:
        return b"".join(iter(lambda: stream.read(1000), b""))
    finally:
        stream.close()


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy:3128", Proxy("proxy", 3128)),
        ("http://proxy:3128/", Proxy("proxy", 3128)),
        ("proxy:3128", Proxy("proxy", 3128)),
        ("http://proxy", Proxy("proxy", 80)),
        ("http://[::1]:3128", Proxy("::1", 3128)),
        ("http://joe:s%40cret@proxy:1", Proxy("proxy", 1, f"Basic {BASIC}")),
    ],
)
def test_proxies_are_written_as_people_write_them(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text) == proxy


@pytest.mark.parametrize(
    "text", ["https://joe:secret@x", "socks5://secret@x", "http://", "http://x:secret", "[", "//"]
)
def test_what_is_no_http_proxy_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_proxy(text)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(Proxy("x", 1, "secret"))


def test_each_scheme_has_its_variable() -> None:
    assert chosen("http://x", **SET) == Proxy("proxy", 3128)
    assert chosen("https://x", **SET) == Proxy("secure", 3129)
    assert chosen("http://x", all_proxy="any:1") == Proxy("any", 1)
    assert chosen("http://x", HTTP_PROXY="big:1") == Proxy("big", 1)
    assert chosen("http://x", http_proxy="", HTTP_PROXY="big:1") is None
    assert chosen("http://x") is None


def test_a_clients_header_is_no_proxy_of_a_cgi_program() -> None:
    assert chosen("http://x", HTTP_PROXY="evil:1", REQUEST_METHOD="GET") is None


def test_a_setting_wins_over_the_environment() -> None:
    assert chosen("http://x", "set:1", **SET, no_proxy="*") == Proxy("set", 1)
    assert chosen("http://x", "none", **SET) is None


@pytest.mark.parametrize(
    ("exempt", "host"),
    [
        ("*", "any"),
        ("example.org", "example.org"),
        (".example.org", "a.example.org"),
        ("example.org", "a.b.EXAMPLE.org."),
        ("*.example.org", "a.example.org"),
        ("a, example.org ,b", "example.org"),
        ("example.org:80", "example.org"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("192.0.2.7", "192.0.2.7"),
        ("fd00::/8", "fd00::1"),
    ],
)
def test_exemptions_are_names_and_networks(exempt: str, host: str) -> None:
    assert proxy_for("http", host, 80, "", {**SET, "no_proxy": exempt}) is None


@pytest.mark.parametrize(
    ("exempt", "host"),
    [
        ("", "x"),
        ("example.org", "notexample.org"),
        ("example.org", "org"),
        ("example.org:81", "example.org"),
        ("10.0.0.0/8", "11.0.0.1"),
        (",", "x"),
        ("10.0.0.0/99", "10.0.0.1"),
    ],
)
def test_others_are_not_exempt(exempt: str, host: str) -> None:
    assert proxy_for("http", host, 80, "", {**SET, "no_proxy": exempt}) is not None


# --- through a proxy -------------------------------------------------------------


def test_a_plain_request_goes_whole_to_the_proxy() -> None:
    with served(file=plain(CONTENT)) as server, proxy_server() as proxy:
        for options in ({"proxy": proxy.url}, {"environment": {"http_proxy": proxy.url}}):
            assert fetched(f"{server.url}/file", **options) == CONTENT
        assert proxy.asked == [f"GET {server.url}/file HTTP/1.1"] * 2
        assert f"Host: {server.url.removeprefix('http://')}" in proxy.heads[0]


def test_the_address_of_a_server_keeps_its_password_from_the_proxys_line() -> None:
    with served(file=plain(CONTENT)) as server, proxy_server() as proxy:
        assert fetched(server.url.replace("://", "://joe:secret@") + "/file", proxy=proxy.url)
        assert "secret" not in proxy.asked[0]


def test_a_redirect_goes_through_the_proxy_as_well() -> None:
    with (
        served(file=status(302, Location="/there"), there=plain(CONTENT)) as server,
        proxy_server() as proxy,
    ):
        assert fetched(f"{server.url}/file", proxy=proxy.url) == CONTENT
        assert len(proxy.asked) == 2


def test_a_proxy_that_wants_a_password_gets_it_or_is_named() -> None:
    with served(file=plain(CONTENT)) as server, proxy_server(password=BASIC) as proxy:
        with pytest.raises(TransientFailure, match="the proxy wants a user") as caught:
            fetched(f"{server.url}/file", proxy=proxy.url)
        assert "USER:PASSWORD" in caught.value.hint
        with_password = proxy.url.replace("://", "://joe:s%40cret@")
        assert fetched(f"{server.url}/file", proxy=with_password) == CONTENT


def test_a_proxy_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(TransientFailure, match=r"refused by the proxy 127\.0\.0\.1:9$"):
        fetched("http://mirror.invalid/file", proxy="http://joe:secret@127.0.0.1:9")


# --- inside TLS -------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.path))
    return made


def test_a_server_with_a_certificate_is_read(authority: Authority) -> None:
    with served_by_tls(authority.context("127.0.0.1"), file=plain(CONTENT)) as server:
        assert fetched(f"{server.url}/file") == CONTENT


def test_a_tunnel_through_a_proxy_hides_what_is_asked(authority: Authority) -> None:
    with (
        served_by_tls(authority.context("127.0.0.1"), file=plain(CONTENT)) as server,
        proxy_server(password=BASIC) as proxy,
    ):
        with_password = proxy.url.replace("://", "://joe:s%40cret@")
        assert fetched(f"{server.url}/file", proxy=with_password) == CONTENT
        (asked,) = proxy.asked
        assert asked == f"CONNECT {server.url.removeprefix('https://')} HTTP/1.1"
        with pytest.raises(TransientFailure, match="the proxy wants a user"):
            fetched(f"{server.url}/file", proxy=proxy.url)


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    with (
        served_by_tls(authority.context("elsewhere.example"), file=plain(CONTENT)) as server,
        pytest.raises(TransientFailure, match="TLS failed") as caught,
    ):
        fetched(f"{server.url}/file")
    assert "clock" in caught.value.hint


def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    context = Authority(tmp_path).context("127.0.0.1")
    with (
        served_by_tls(context, file=plain(CONTENT)) as server,
        pytest.raises(TransientFailure, match="TLS failed"),
    ):
        fetched(f"{server.url}/file")


def test_no_redirect_leads_out_of_tls(authority: Authority) -> None:
    with served(file=plain(CONTENT)) as other:
        leading_out = status(302, Location=f"{other.url}/file")
        with (
            served_by_tls(authority.context("127.0.0.1"), file=leading_out) as server,
            pytest.raises(UntrustedData, match="redirects to"),
        ):
            fetched(f"{server.url}/file")
