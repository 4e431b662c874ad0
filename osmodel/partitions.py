"""The partitions of a machine: their labels, their types, their identities.

Both partitions of a slot carry half of the verity root hash as GUID, so a
kernel finds exactly the root it was built for, in whichever slot it lies, and
never by position.

Source: UAPI.2 Discoverable Partitions Specification.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from osmodel.faults import InvalidInput

if TYPE_CHECKING:
    from osmodel.gpt import Gpt

ESP = "esp"
STATE = "state"
SLOTS = ("a", "b")

ESP_TYPE = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
# Linux generic, not "var": systemd accepts a var partition only if its GUID is
# derived from the machine id, which does not exist yet when we make it.
STATE_TYPE = "0fc63daf-8483-4772-8e79-3d69d8477de4"
ROOT_TYPES = {
    "x86_64": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
    "arm64": "b921b045-1df0-41c3-af44-4c6f280d3fae",
}
VERITY_TYPES = {
    "x86_64": "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
    "arm64": "df3300ce-d69f-4c92-978c-9bfb0f38d820",
}

_HASH_DIGITS = 64


def root_label(slot: str) -> str:
    """Label of the partition with the root file system of ``slot``."""
    return f"root-{slot}"


def verity_label(slot: str) -> str:
    """Label of the partition with the hash tree of ``slot``."""
    return f"root-{slot}-verity"


def slot_guids(root_hash: str) -> tuple[str, str]:
    """GUIDs of the root and the verity partition of the slot with this root.

    Args:
        root_hash: 64 hex digits.

    Raises:
        InvalidInput: not a root hash.
    """
    digits = checked_root_hash(root_hash)
    return _dashed(digits[:32]), _dashed(digits[32:])


def slot_of(table: Gpt, root_hash: str) -> str | None:
    """The slot whose two partitions carry this root's GUIDs, or ``None``.

    If both do, the first will do: verity proves that they are the same.
    """
    guids = slot_guids(root_hash)
    for slot in SLOTS:
        found = table.find(root_label(slot)), table.find(verity_label(slot))
        if tuple(partition.guid if partition else "" for partition in found) == guids:
            return slot
    return None


def checked_root_hash(text: str) -> str:
    """The root hash in lower case.

    Raises:
        InvalidInput: not 64 hex digits.
    """
    if len(text) != _HASH_DIGITS or not set(text) <= set("0123456789abcdefABCDEF"):
        raise InvalidInput(f"a root hash has 64 hex digits, not {text[:80]!r}")
    return text.lower()


def derived_guid(*names: str) -> str:
    """A GUID that depends on nothing but ``names``, so that builds repeat.

    Shaped as UUID version 8 of RFC 9562 (the bits are the maker's own).
    """
    digits = sha256("\0".join(("twinkeel", *names)).encode()).hexdigest()
    variant = "89ab"[int(digits[16], 16) % 4]
    return _dashed(f"{digits[:12]}8{digits[13:16]}{variant}{digits[17:32]}")


def _dashed(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
