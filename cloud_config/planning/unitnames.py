"""Names of units.

Source: systemd.unit(5), "Description" (valid names) and "String Escaping for
Inclusion in Unit Names".
"""

from __future__ import annotations

import re
import string

from osmodel.faults import InvalidInput

_NAME = re.compile(
    r"[A-Za-z0-9:_.\\@-]+\.(automount|device|mount|path|scope|service|slice|socket|swap|target|timer)"
)
_NETWORK_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(network|netdev|link)")
_DROP_IN = re.compile(r"[^/\x00]+\.conf")
_KEPT = frozenset(string.ascii_letters + string.digits + ":_.")
_LONGEST = 255


def check_unit(name: str) -> str:
    """The name of a unit that systemd or networkd can load.

    Raises:
        InvalidInput: it is none.
    """
    if len(name) > _LONGEST or not (_NAME.fullmatch(name) or _NETWORK_NAME.fullmatch(name)):
        raise InvalidInput(f"{name!r} is no name of a unit")
    return name


def check_network(name: str) -> str:
    """The name of a file that networkd or udev reads.

    Raises:
        InvalidInput: it is none.
    """
    if not is_network(check_unit(name)):
        raise InvalidInput(f"{name!r} does not end in .network, .netdev or .link")
    return name


def check_drop_in(name: str) -> str:
    """The file name of a drop-in.

    Raises:
        InvalidInput: systemd would not read it.
    """
    if not _DROP_IN.fullmatch(name) or len(name) > _LONGEST or not name.isprintable():
        raise InvalidInput(f"{name!r} is no name of a drop-in; it has to end in .conf")
    return name


def is_network(name: str) -> bool:
    """Whether networkd or udev reads it, not systemd."""
    return _NETWORK_NAME.fullmatch(name) is not None


def from_path(path: str, suffix: str) -> str:
    """The name of the unit that belongs to a path, such as ``var-lib-data.mount``.

    Args:
        path: absolute, in its shortest form.
        suffix: of the unit, without dot.
    """
    return f"{_escaped(path.strip('/'))}.{suffix}"


def instance(template: str, path: str, suffix: str) -> str:
    """The instance of a template for a path, such as ``systemd-fsck@dev-vdb.service``."""
    return f"{template}@{_escaped(path.strip('/'))}.{suffix}"


def _escaped(text: str) -> str:
    if not text:
        return "-"
    made = []
    for place, byte in enumerate(text.encode(errors="surrogatepass")):
        character = chr(byte)
        if character == "/":
            made.append("-")
        elif character in _KEPT and not (character == "." and place == 0):
            made.append(character)
        else:
            made.append(f"\\x{byte:02x}")
    return "".join(made)
