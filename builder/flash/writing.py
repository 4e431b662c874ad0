"""Write an image onto a device so that a card is either bootable or plainly empty.

The first MiB, with the partition table, is held back: it is zero until all the
rest has been written, flushed, and read back from the medium. The last MiB is
cleared as well, where the second partition table of an earlier image may be.

What a map leaves out keeps what the card had there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from builder.flash.imagefile import ImageFile, Part
from hostio.disk.blockdev import BlockDevice
from osmodel.faults import HostFailure, UntrustedData

HEAD = 1 << 20  # bytes
_PIECE = 1 << 20  # bytes

Seen = Callable[[int], None]
"""Told the bytes done so far."""


def write(image: ImageFile, device: BlockDevice, seen: Seen) -> tuple[bytes, dict[Part, str]]:
    """Write everything but the first MiB.

    Returns:
        The first MiB, and the SHA-256 of each part as it was read from the image.

    Raises:
        UntrustedData: the image is damaged; the device has no partition table then.
        HostFailure: it cannot be written.
    """
    _clear_ends(device)
    head = bytearray(min(HEAD, image.size))
    digests = {}
    done = 0
    for part, content in image.contents():
        digest = hashlib.sha256()
        at = part.range.start
        for piece in content:
            digest.update(piece)
            kept = max(0, min(len(head) - at, len(piece)))
            head[at : at + kept] = piece[:kept]
            if kept < len(piece):
                device.write(at + kept, piece[kept:])
            at += len(piece)
            done += len(piece)
            seen(done)
        digests[part] = digest.hexdigest()
        if part.sha256 not in ("", digests[part]):
            raise UntrustedData(
                f"{image.path}: damaged between {part.range.start} and {part.range.end}"
            )
    device.drop_cache()
    return bytes(head), digests


def verify(device: BlockDevice, head: bytes, digests: dict[Part, str], seen: Seen) -> None:
    """Read back everything but the first MiB.

    Raises:
        HostFailure: the medium holds something else than was written.
    """
    done = 0
    for part, expected in digests.items():
        digest = hashlib.sha256()
        at = part.range.start
        while at < part.range.end:
            length = min(_PIECE - at % _PIECE, part.range.end - at)
            piece = head[at : at + length] if at < len(head) else device.read(at, length)
            digest.update(piece)
            at += length
            done += length
            seen(done)
        if digest.hexdigest() != expected:
            raise HostFailure(
                f"reads back differently between {part.range.start} and {part.range.end}",
                hint="the card or its reader is broken; it was left without a partition table",
            )


def finish(device: BlockDevice, head: bytes) -> None:
    """Write the first MiB and read it back: the device is bootable on return.

    Raises:
        HostFailure: the medium holds something else than was written.
    """
    device.write(0, head)
    device.drop_cache()
    if device.read(0, len(head)) != head:
        raise HostFailure("the first MiB reads back differently", hint="the card is broken")


def _clear_ends(device: BlockDevice) -> None:
    length = min(HEAD, device.size)
    device.write(0, bytes(length))
    device.write(device.size - length, bytes(length))
    device.flush()
