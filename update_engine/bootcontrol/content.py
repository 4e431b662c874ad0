"""What the files in ``EFI/Linux`` hold, whatever they are called."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from osmodel.faults import UntrustedData
from osmodel.uki import UkiIdentity, identify

if TYPE_CHECKING:
    from hostio.disk.esp import Esp

_log = logging.getLogger(__name__)
_PIECE = 1 << 20  # bytes read at a time


def entry_names(esp: Esp) -> list[str]:
    """The files a loader would take for kernel images.

    Raises:
        HostFailure: the ESP cannot be read.
    """
    # Suffixes are compared without regard to case, as FAT does.
    return [name for name in esp.names() if name.lower().endswith(".efi")]


def digest_of(esp: Esp, name: str) -> str:
    """SHA-256 of a file as the medium holds it, 64 hex digits.

    Raises:
        HostFailure: the ESP cannot be read.
    """
    digest = hashlib.sha256()
    for offset in range(0, esp.size(name), _PIECE):
        digest.update(esp.read(name, offset, _PIECE))
    return digest.hexdigest()


def identity_of(esp: Esp, name: str) -> UkiIdentity | None:
    """Who a kernel image says it is, or ``None`` if it is damaged.

    Raises:
        HostFailure: the ESP cannot be read.
    """
    try:
        return identify(lambda at, length: esp.read(name, at, length), esp.size(name))
    except UntrustedData as fault:
        _log.warning("entry=%s damaged: %s", name, fault)
        return None
