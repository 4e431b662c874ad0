"""The machine that is configured, as ports."""

from __future__ import annotations

from pathlib import Path

from cloud_config.apply.world import ApplyWorld
from cloud_config.state import paths
from hostio.disk.datadisks import KernelDataDisks
from hostio.files.guardedtree import GuardedTree
from hostio.files.imagelayer import image_layer
from hostio.files.lock import locked
from hostio.files.preallocated import PreallocatedFile
from hostio.files.statefiles import DurableFile, VolatileFile
from hostio.system.accounts import SystemAccounts
from hostio.system.clock import Clock
from hostio.system.hostname import KernelHostName
from hostio.system.runner import Runner
from hostio.system.unitmanager import Systemctl

# Bytes of text for which space is kept, so that they can be written on a full disk.
_RECORD = 128 << 10  # of about a thousand files
_INSTANCE = 4 << 10
_ONCE = 64


def machine(runner: Runner, clock: Clock) -> ApplyWorld:
    """This machine; the entry points bring what runs programs and tells the time."""
    return ApplyWorld(
        tree=GuardedTree(drafts=".cloud-config-"),
        image=image_layer,
        accounts=SystemAccounts(runner),
        units=Systemctl(runner),
        disks=KernelDataDisks(runner),
        hostname=KernelHostName(),
        image_has=lambda path: Path(path).exists(),
        clock=clock,
        record=PreallocatedFile(paths.RECORD, capacity=_RECORD),
        instance=PreallocatedFile(paths.INSTANCE, capacity=_INSTANCE),
        pending=VolatileFile(paths.PENDING),
        machine_id=DurableFile(Path("/etc/machine-id")),
        status=VolatileFile(paths.STATUS),
        once=lambda instance, name: PreallocatedFile(
            paths.once_file(instance, name), capacity=_ONCE, is_whole=lambda _: True
        ),
        lock=lambda: locked(
            paths.LOCK, busy="another cloud-config is running", hint="see `cloud-config status`"
        ),
    )
