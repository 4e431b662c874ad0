"""Which adapter a machine needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osmodel.platforms import Platform
from osmodel.slotstate import COPIES, slot_of_entry
from update_engine.bootcontrol.loadernames import LoaderNames
from update_engine.bootcontrol.slotfiles import SlotFiles

if TYPE_CHECKING:
    from hostio.disk.esp import Esp
    from update_engine.bootcontrol.port import BootControl


def control_of(esp: Esp, platform: str) -> BootControl:
    """The adapter of a running system, whose identity names the platform."""
    return SlotFiles(esp) if platform == Platform.RASPBERRYPI else LoaderNames(esp)


def control_found(esp: Esp) -> BootControl:
    """The adapter by what lies on the ESP, before any root is open.

    Raises:
        HostFailure: the ESP cannot be read.
    """
    by_slot = any(slot_of_entry(name) for name in esp.names())
    copies = any(esp.small_file(name) is not None for name in COPIES)
    return SlotFiles(esp) if by_slot or copies else LoaderNames(esp)
