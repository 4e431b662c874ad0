r"""Put this machine's addresses into the text of user data.

Textual and before any parsing, as coreos-cloudinit does it: ``$private_ipv4``
becomes the address, ``\$private_ipv4`` becomes ``$private_ipv4``. An address
that is not known becomes nothing, with a warning: so it did there.

Source: coreos-cloudinit, initialize/env.go (Environment.Apply).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final

from cloud_config.document.findings import Finding, Level

NAMES: Final = ("public_ipv4", "private_ipv4", "public_ipv6", "private_ipv6")
_VARIABLE = re.compile(rb"(\\?)\$(" + b"|".join(name.encode() for name in NAMES) + b")")

# Addresses reserved for documentation: what a document is checked with where it
# does not run. Source: RFC 5737, RFC 3849.
SAMPLES: Final[Mapping[str, str]] = {
    "public_ipv4": "192.0.2.1",
    "private_ipv4": "198.51.100.1",
    "public_ipv6": "2001:db8::1",
    "private_ipv6": "2001:db8::2",
}


def substitute(text: bytes, addresses: Mapping[str, str]) -> tuple[bytes, dict[str, int]]:
    """Replace the variables in ``text``.

    Args:
        text: a whole part of the user data.
        addresses: by the names above; values that are no addresses count as
            unknown, since they would be pasted into whatever the text is.

    Returns:
        The new text, with as many lines, and the names that are not known,
        with the first line that uses each.
    """
    missing: dict[str, int] = {}

    def replacement(match: re.Match[bytes]) -> bytes:
        name = match[2].decode()
        if match[1]:
            return b"$" + match[2]
        address = _address(addresses.get(name, ""))
        if not address and name not in missing:
            missing[name] = text.count(b"\n", 0, match.start()) + 1
        return address

    return _VARIABLE.sub(replacement, text), missing


def warnings(missing: Mapping[str, int]) -> list[Finding]:
    """What to say of names that :func:`substitute` found not known."""
    return [
        Finding(line, Level.WARNING, f"${name} is not known on this machine and becomes empty")
        for name, line in missing.items()
    ]


def _address(text: str) -> bytes:
    try:
        return str(ipaddress.ip_address(text.strip())).encode()
    except ValueError:
        return b""
