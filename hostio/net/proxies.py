"""Which proxy an address is reached through: as set, or as the environment says.

A setting wins over the environment; ``none`` means no proxy whatever the
environment says. Of the environment the usual variables are read, the names in
small letters first: ``http_proxy``, ``https_proxy``, ``all_proxy`` and
``no_proxy``. ``HTTP_PROXY`` in capitals is not read where a CGI program could
be made to take a client's header for it.
"""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from osmodel.faults import InvalidInput

NONE = "none"
_PORT = 80
_HINT = "write http://HOST:PORT, http://USER:PASSWORD@HOST:PORT or none"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        host: name or address.
        port: number.
        authorization: value of the header that says who we are; empty for none.
    """

    host: str
    port: int
    authorization: str = field(default="", repr=False)


def parse_proxy(text: str) -> Proxy:
    """Read ``http://USER:PASSWORD@HOST:PORT``; the scheme may be left out.

    Raises:
        InvalidInput: not such an address.
    """
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput("not the address of a proxy", hint=_HINT) from error
    if parts.scheme != "http" or not host:
        # What is quoted here must not be a password.
        scheme = parts.scheme[:20]
        raise InvalidInput(f"not the address of an http proxy, but {scheme}:", hint=_HINT)
    secret = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return Proxy(host, port or _PORT, basic(secret) if parts.username else "")


def basic(secret: str) -> str:
    """``user:password`` as the value of a header."""
    return f"Basic {b64encode(secret.encode()).decode()}"


def proxy_for(
    scheme: str, host: str, port: int, setting: str, environment: Mapping[str, str]
) -> Proxy | None:
    """The proxy towards an address, or ``None`` to go there directly.

    Args:
        scheme: ``http`` or ``https``.
        host: name or address that is wanted.
        port: number that is wanted.
        setting: a proxy, ``none``, or empty to ask the environment.
        environment: variables of this process.

    Raises:
        InvalidInput: what is set is no proxy.
    """
    if setting == NONE:
        return None
    if setting:
        return parse_proxy(setting)
    named = _variable(environment, f"{scheme}_proxy") or _variable(environment, "all_proxy")
    if not named or _is_exempt(host, port, _variable(environment, "no_proxy")):
        return None
    return parse_proxy(named)


def _variable(environment: Mapping[str, str], name: str) -> str:
    if name in environment:
        return environment[name].strip()
    if name == "http_proxy" and "REQUEST_METHOD" in environment:
        return ""
    return environment.get(name.upper(), "").strip()


def _is_exempt(host: str, port: int, exemptions: str) -> bool:
    wanted = host.lower().rstrip(".")
    return any(_covers(entry.strip().lower(), wanted, port) for entry in exemptions.split(","))


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether one entry of ``no_proxy`` means ``host``: a name and all below it, or a network."""
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        pass  # either is a name
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdecimal():
        if int(digits) != port:
            return False
        entry = name
    entry = entry.removeprefix("*").strip(".[]")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))
