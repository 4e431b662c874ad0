"""Every way in which writing an image touches the machine and its user."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from builder.progress import Report
from hostio.disk.blockdev import BlockDevice
from hostio.disk.blockinfo import DiskInventory
from hostio.system.clock import Clock


@dataclass(frozen=True, slots=True)
class FlashWorld:
    """Ports of ``build-image flash``.

    Attributes:
        media: knows the disks.
        open: opens one for writing; refuses while it is in use.
        ask: shows a question and returns the answer, or ``None`` without a terminal.
        clock: times the work.
        report: tells how far it is.
    """

    media: DiskInventory
    open: Callable[[Path], AbstractContextManager[BlockDevice]]
    ask: Callable[[str], str | None]
    clock: Clock
    report: Report
