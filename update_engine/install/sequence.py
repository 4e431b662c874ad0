"""Install one release into the passive slot, in the order that survives a power cut.

1. preflight: the running version is good, slot and ESP have room;
2. ``state.json`` says what is being written;
3. the passive slot's entry goes: nothing can boot that slot;
4. slot and tree are written, read back and compared; the new kernel image lies
   under a temporary name, is flushed, read back and compared;
5. the slot gets its GUIDs; ``state.json`` says what is armed;
6. the kernel image becomes an entry with tries: the commit point.

How an entry is made, counted and found is the boot control's business.

A fault at any step leaves the running version as it was. The caller holds the
engine's lock and has authenticated the payload's metadata before this starts;
refusing that touches nothing.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from hostio.disk.esp import StagedFile
from hostio.disk.systemdisk import SystemDisk
from osmodel.assessment import Assessment
from osmodel.faults import Fault, HostFailure
from osmodel.gpt import Gpt, Partition
from osmodel.partitions import SLOTS, root_label, verity_label
from osmodel.payload.layout import BLOCK
from osmodel.release import Release
from osmodel.verity import hash_device_size
from update_engine.bootcontrol.port import Arming, BootControl
from update_engine.core.enginestate import Target
from update_engine.core.entries import KnownEntry, of_root
from update_engine.core.preflight import Blocked, Plan, armed_table, plan, room_on_esp
from update_engine.install.arming import compare_uki, set_slot
from update_engine.install.payload import Applied, OpenedPayload, Targets, write_payload
from update_engine.world import EngineWorld

_log = logging.getLogger(__name__)

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Job:
    """One installation that passed its preflight."""

    world: EngineWorld
    disk: SystemDisk
    table: Gpt
    opened: OpenedPayload
    target: Target
    report: Report


def install(
    world: EngineWorld, opened: OpenedPayload, size: int, report: Report
) -> Target | Blocked:
    """Write, verify and arm ``opened``.

    Args:
        world: the machine; its lock is held by the caller.
        opened: an authentic payload for this machine.
        size: bytes of the payload, for status.
        report: called with bytes done and bytes in total.

    Returns:
        What is armed, or why nothing was touched.

    Raises:
        UntrustedData: the content is not what was signed.
        TransientFailure: the source broke.
        HostFailure: a medium refused.
    """
    disk = world.disk()
    table = disk.table()
    with world.boot() as boot:
        planned = _preflight(world, boot, table, opened)
        if isinstance(planned, Blocked):
            return planned
        target = _target(world, opened.release, planned.slot, size)
        _note_good_uki(world, boot)
        world.store.change(lambda state: replace(state, writing=target))
        for one in planned.remove:
            boot.remove(one)
            _log.info("entry=%s removed slot=%s", one.name, planned.slot)
        _write_and_arm(_Job(world, disk, table, opened, target, report), boot)
    _confirm(world, target)
    return target


def _target(world: EngineWorld, release: Release, slot: str, size: int) -> Target:
    return Target(
        str(release.version), release.root_hash, slot, world.machine.boot_id, world.now(), size
    )


def _note_good_uki(world: EngineWorld, boot: BootControl) -> None:
    """Keep the digest of the running kernel image, so that a rollback can tell rot."""
    running = world.machine.root_hash
    success = world.store.state().success_of(running)
    if success is not None and not success.uki_sha256:
        (own,) = of_root(boot.entries(), running)
        digest = boot.digest(own)
        world.store.change(lambda state: state.with_uki(running, digest))


def _preflight(
    world: EngineWorld, boot: BootControl, table: Gpt, opened: OpenedPayload
) -> Plan | Blocked:
    """Everything that can be refused before anything is changed."""
    boot.sweep()
    planned = plan(table, boot.entries(), world.machine.root_hash)
    if isinstance(planned, Blocked):
        return planned
    leaving = sum(map(boot.size, planned.remove))
    needed = opened.plan.content("uki").size
    full = room_on_esp(boot.free_bytes(), leaving, needed)
    return full or _room_in_slot(table, planned.slot, opened) or planned


def _room_in_slot(table: Gpt, slot: str, opened: OpenedPayload) -> Blocked | None:
    root = opened.plan.content("root").size
    verity = hash_device_size(-(-root // BLOCK))
    for label, needed in ((root_label(slot), root), (verity_label(slot), verity)):
        room = _partition(table, label).sectors * table.sector_size
        if needed > room:
            return Blocked(
                f"partition {label} has {room} bytes, the release needs {needed}",
                hint="this machine's disk layout is too old for it: reinstall",
            )
    return None


def _write_and_arm(job: _Job, boot: BootControl) -> None:
    world, target = job.world, job.target
    staged = boot.stage()
    try:
        applied = _write_slot(job, staged)
        staged.close()
        compare_uki(staged, applied.uki_size, applied.uki_sha256, job.opened.release)
        set_slot(job.disk, armed_table(_table_again(job), target.slot, target.root_hash))
        # Before the commit point: a cut right after it must find who was armed.
        armed = replace(target, uki_sha256=applied.uki_sha256)
        world.store.change(lambda state: state.with_armed(armed))
        boot.arm(staged, Arming(target.version, target.slot))
    except Fault:
        # What cannot be undone here is swept at the next boot.
        with contextlib.suppress(HostFailure):
            staged.discard()
        with contextlib.suppress(HostFailure):
            world.store.change(lambda state: state.with_armed(None))
        raise
    _log.info("armed version=%s slot=%s root=%s", target.version, target.slot, target.root_hash)


def _table_again(job: _Job) -> Gpt:
    """The partition table right before it is written: others may have changed it.

    Raises:
        HostFailure: a slot is no longer where it was written to.
    """
    table = job.disk.table()
    for slot in SLOTS:
        for label in (root_label(slot), verity_label(slot)):
            before, now = job.table.find(label), table.find(label)
            if before != now:
                raise HostFailure(
                    f"partition {label} was changed while the update was being written",
                    hint="repeat the update when nothing else changes the partition table",
                )
    return table


def _write_slot(job: _Job, staged: StagedFile) -> Applied:
    disk, table, slot = job.disk, job.table, job.target.slot
    root_number = _partition(table, root_label(slot)).number
    verity_number = _partition(table, verity_label(slot)).number
    with disk.partition(root_number) as root, disk.partition(verity_number) as verity:
        return write_payload(job.opened, Targets(root, verity, staged), job.report)


def _confirm(world: EngineWorld, target: Target) -> None:
    """Look at the ESP once more through a fresh mount.

    Raises:
        HostFailure: the entry is not there, so the old version boots next.
    """
    with world.boot() as boot:
        entries = boot.entries()
    if not _is_listed(entries, target):
        world.store.change(lambda state: replace(state, armed=None))
        raise HostFailure(f"the entry of {target.version} vanished from the ESP")


def _is_listed(entries: tuple[KnownEntry, ...], target: Target) -> bool:
    listed = [one for one in entries if one.root_hash == target.root_hash]
    return [one.assessment for one in listed] == [Assessment.INDETERMINATE]


def _partition(table: Gpt, label: str) -> Partition:
    found = table.find(label)
    assert found is not None, "the plan has checked the labels"
    return found
