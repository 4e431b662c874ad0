"""Which slot boots next, where the loader can neither rename nor sort files.

U-Boot's script and the update engine share two copies of one small file beside
the kernel images. Each copy has 512 bytes, one sector, and carries a checksum
and a sequence number: the newest copy that is whole counts. A program that changes
something writes the copy that counts less first and the other one after it, so
that at every moment one of the two is whole.

The format is that of U-Boot's ``env export -c``: the checksum of the rest
(CRC-32, little-endian), then ``name=value`` texts ended by zeros, an empty one
at the end, and zeros up to the size.

========  ===================================================================
``a`` ``b``  ``good`` boots for ever; ``0`` to ``9`` are tries left; ``none``
             has nothing to boot
``first``    the slot that is tried first, ``a`` or ``b``
``seq``      counts changes, hexadecimal without zeros in front, 16 bits;
             0 follows ffff
========  ===================================================================

Source: U-Boot 2025.01, cmd/nvedit.c (``do_env_export``) and lib/hashtable.c.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from osmodel.faults import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE = 512  # bytes of a copy
COPIES = ("slots0.env", "slots1.env")  # in the top directory of the FAT
SLOTS = ("a", "b")
GOOD = "good"
NONE = "none"

_SEQUENCES = 1 << 16
_MARK = re.compile("good|none|[0-9]")
_SEQUENCE = re.compile("0|[1-9a-f][0-9a-f]{0,3}")
_FIELDS = frozenset({"a", "b", "first", "seq"})


class SlotState(NamedTuple):
    """What one copy says.

    Attributes:
        sequence: counts changes, 0 to 65535, then 0 again.
        first: slot that is tried first.
        a: mark of slot a: ``good``, ``none``, or the tries that are left.
        b: mark of slot b.
    """

    sequence: int
    first: str
    a: str
    b: str

    def mark(self, slot: str) -> str:
        """``good``, ``none`` or a digit."""
        return self.a if slot == "a" else self.b

    def marked(self, slot: str, mark: str) -> SlotState:
        """The state with another mark for ``slot``; the sequence stays."""
        return self._replace(a=mark) if slot == "a" else self._replace(b=mark)

    def preferring(self, slot: str) -> SlotState:
        """The state in which ``slot`` is tried first; the sequence stays."""
        return self._replace(first=slot)

    def following(self, before: SlotState | None) -> SlotState:
        """The state with the sequence after that of ``before``."""
        last = before.sequence if before is not None else 0
        return self._replace(sequence=(last + 1) % _SEQUENCES)


class Reading(NamedTuple):
    """Both copies together.

    Attributes:
        state: what counts, or ``None`` if no copy is whole.
        order: file names in the order in which they are to be written.
        agree: whether both copies are whole and the same.
    """

    state: SlotState | None
    order: tuple[str, str]
    agree: bool


def other(slot: str) -> str:
    """The other slot."""
    return "b" if slot == "a" else "a"


def entry_name(slot: str) -> str:
    """File name of a slot's kernel image in ``EFI/Linux``."""
    return f"twinkeel_{slot}.efi"


def slot_of_entry(name: str) -> str | None:
    """The slot whose kernel image has this file name; the inverse of ``entry_name``."""
    # FAT compares names without regard to case.
    found = [slot for slot in SLOTS if entry_name(slot) == name.lower()]
    return found[0] if found else None


def factory(slot: str = "a") -> SlotState:
    """The state of a machine as shipped: one good slot, the other empty."""
    return SlotState(1, slot, NONE, NONE).marked(slot, GOOD)


def encode(state: SlotState) -> bytes:
    """One copy, 512 bytes; the inverse of :func:`parse`."""
    fields = {"a": state.a, "b": state.b, "first": state.first, "seq": f"{state.sequence:x}"}
    text = "".join(f"{name}={value}\0" for name, value in sorted(fields.items())) + "\0"
    body = text.encode("ascii").ljust(SIZE - 4, b"\0")
    return struct.pack("<I", zlib.crc32(body)) + body


def parse(copy: bytes) -> SlotState:
    """Read one copy.

    Raises:
        InvalidInput: torn, damaged, or not one of ours; the other copy counts.
    """
    if len(copy) != SIZE:
        raise InvalidInput(f"slot state has {len(copy)} bytes, expected {SIZE}")
    body = copy[4:]
    if struct.pack("<I", zlib.crc32(body)) != copy[:4]:
        raise InvalidInput("slot state: wrong checksum")
    text = body.partition(b"\0\0")[0].decode("ascii", errors="replace")
    pairs = [line.partition("=") for line in text.split("\0")]
    fields = {name: value for name, _, value in pairs}
    if not fields.keys() >= _FIELDS or len(fields) != len(pairs):
        raise InvalidInput(f"slot state: unexpected fields {sorted(fields)}"[:200])
    first, sequence = fields["first"], fields["seq"]
    if first not in SLOTS or _SEQUENCE.fullmatch(sequence) is None:
        raise InvalidInput(f"slot state: first={first[:20]!r} seq={sequence[:20]!r}")
    for slot in SLOTS:
        if _MARK.fullmatch(fields[slot]) is None:
            raise InvalidInput(f"slot state: {slot}={fields[slot][:20]!r}")
    return SlotState(int(sequence, 16), first, fields["a"], fields["b"])


def is_newer(one: SlotState, than: SlotState) -> bool:
    """Whether ``one`` was written after ``than``; the sequence may have wrapped."""
    return 0 < (one.sequence - than.sequence) % _SEQUENCES < _SEQUENCES // 2


def read(copies: Sequence[bytes | None]) -> Reading:
    """Both copies, in the order of ``COPIES``; ``None`` for one that is missing."""
    zero, one = (_parse_or_none(copy) for copy in copies)
    forth, back = COPIES, (COPIES[1], COPIES[0])
    if zero is None or one is None:
        # The one that is not whole is written first, whatever the other says.
        return Reading(zero or one, forth if zero is None else back, agree=False)
    if is_newer(one, zero):
        return Reading(one, forth, agree=False)
    # No program writes two states with one sequence; the first counts, as in the script.
    order = forth if one.sequence == zero.sequence else back
    return Reading(zero, order, agree=zero == one)


def _parse_or_none(copy: bytes | None) -> SlotState | None:
    if copy is None:
        return None
    try:
        return parse(copy)
    except InvalidInput:
        return None
