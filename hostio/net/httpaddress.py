"""An http address taken apart, however broken it is.

Addresses come from configuration and from ``Location`` headers of servers that
are not trusted, so everything that can be wrong with one is found here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urljoin, urlsplit

from hostio.net.proxies import basic

_PORTS = {"http": 80, "https": 443}
# Left as they are in a path; '%' because what is coded already stays so. '+' is
# coded: object stores take a plain one for a blank, as apt's authors found out.
_PATH = "/%:@!$&'()*,;=~-._"
_QUERY = _PATH + "?+"


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Where a resource lies.

    Attributes:
        scheme: ``http`` or ``https``.
        host: name or address, without brackets.
        port: number.
        target: path and query as they are sent.
        authorization: value of the header that says who we are; empty for none.
    """

    scheme: str
    host: str
    port: int
    target: str
    authorization: str = field(default="", repr=False)

    @property
    def absolute(self) -> str:
        """The whole address as a proxy wants it, without a password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"


def parse_address(url: str) -> HttpAddress:
    """Take ``url`` apart.

    Raises:
        ValueError: not an http address.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("neither http nor https")
    # The name is sent in a header and looked up; what no name has is refused here.
    host = (
        parts.hostname.encode("idna").decode() if not parts.hostname.isascii() else parts.hostname
    )
    if any(character <= " " or character in '"<>\\^`{|}\x7f/?#@' for character in host):
        raise ValueError("not a host name")
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    if not port:
        raise ValueError("no server listens on port 0")
    query = f"?{quote(parts.query, safe=_QUERY)}" if parts.query else ""
    secret = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return HttpAddress(
        parts.scheme,
        host,
        port,
        (quote(parts.path, safe=_PATH) or "/") + query,
        basic(secret) if parts.username else "",
    )


def redirected(url: str, location: str) -> str:
    """Where a ``Location`` header of the answer to ``url`` leads.

    Raises:
        ValueError: nowhere.
    """
    return urljoin(url, location)
