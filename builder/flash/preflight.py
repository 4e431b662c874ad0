"""Whether a device may be overwritten: a pure decision.

There is no way to force it: an operator who wants to overwrite a disk that is in
use can take it out of use first, and then it is no mistake.
"""

from __future__ import annotations

from hostio.disk.blockinfo import Medium
from osmodel.faults import InvalidInput

SECTOR = 512  # bytes; the sector that images are made for


def check(medium: Medium, needed: int) -> None:
    """Refuse a device that must not, or cannot, take an image.

    Args:
        medium: the device.
        needed: bytes of the image.

    Raises:
        InvalidInput: says what is in the way.
    """
    node = medium.node
    if medium.is_partition:
        raise InvalidInput(f"{node} is a partition", hint="name the whole disk")
    if medium.users:
        raise InvalidInput(
            f"{node} is in use: {'; '.join(medium.users)}",
            hint="unmount it first, if it is the disk you mean",
        )
    if not medium.size:
        raise InvalidInput(f"{node}: there is no medium in it")
    if medium.read_only:
        raise InvalidInput(f"{node} is read-only", hint="cards have a switch at the side")
    if medium.sector_size != SECTOR:
        raise InvalidInput(
            f"{node} has sectors of {medium.sector_size} bytes; images are made for {SECTOR}"
        )
    if medium.size < needed:
        raise InvalidInput(f"{node} has {medium.size} bytes, the image needs {needed}")


def description(medium: Medium) -> str:
    """One line that lets a person recognise the device."""
    model = f" {medium.model!r}" if medium.model else ""
    parts = {0: "no partitions", 1: "1 partition"}.get(
        medium.partitions, f"{medium.partitions} partitions"
    )
    return f"{medium.node}:{model} {medium.size / 1e9:.1f} GB, {parts}"
