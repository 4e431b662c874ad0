"""Everything that applying can touch, as ports in one frozen value."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from hostio.disk.datadisks import DataDisks
from hostio.files.guardedtree import ReadableTree, Tree
from hostio.files.statefiles import TextFile
from hostio.system.accounts import Accounts
from hostio.system.clock import Clock
from hostio.system.hostname import HostName
from hostio.system.unitmanager import UnitManager


@dataclass(frozen=True, slots=True)
class ApplyWorld:
    """The machine that is configured.

    Attributes:
        tree: its files.
        image: the image's own files below /etc, without this machine's changes.
        accounts: its users.
        units: its service manager.
        disks: its data disks.
        hostname: its name in the kernel.
        image_has: whether a path exists in the read-only root.
        clock: time.
        record: what was written, :class:`cloud_config.planning.record.Record`.
        instance: which instance was configured last, and by what.
        pending: what a run without commands left to the next one; for this boot.
        machine_id: of this disk, for machines that no platform names.
        status: :class:`cloud_config.state.report.Report` of this boot.
        once: file that says how far something is that is done once; by
            instance id and name.
        lock: held while one process applies; fails when taken.
    """

    tree: Tree
    image: Callable[[], AbstractContextManager[ReadableTree]]
    accounts: Accounts
    units: UnitManager
    disks: DataDisks
    hostname: HostName
    image_has: Callable[[str], bool]
    clock: Clock
    record: TextFile
    instance: TextFile
    pending: TextFile
    machine_id: TextFile
    status: TextFile
    once: Callable[[str, str], TextFile]
    lock: Callable[[], AbstractContextManager[None]]
