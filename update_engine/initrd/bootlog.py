"""Write each boot down, and leave a slot that keeps failing.

The loader stops counting once an entry is good. A boot that finds a row of
failures of its own root behind it therefore switches to the other slot, which
gets tries of its own.

Nothing here may keep a machine from starting: what cannot be read or written
is reported and left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostio.files.preallocated import PreallocatedFile
from hostio.system.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID
from osmodel import bootlog, partitions
from osmodel.faults import Fault, HostFailure
from update_engine.initrd import decisions, slots
from update_engine.initrd.world import ERROR, NOTICE, InitrdWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hostio.disk.esp import Esp
    from osmodel.gpt import Gpt

BOOT_LOG = "lib/update-engine/starts.json"  # below /var
_FAT_MODULES = ("vfat", "nls_cp437", "nls_ascii", "nls_iso8859_1")


def begin(world: InitrdWorld, root_hash: str, boot_id: str) -> bootlog.BootLog:
    """Write down that this boot began; durable on return if that is possible."""
    log = _read(world.paths.state).begun(root_hash, boot_id)
    _write(world, world.paths.state, log)
    return log


def reach(world: InitrdWorld, var: Path, boot_id: str, stage: bootlog.Stage) -> None:
    """Write down how far this boot came.

    Args:
        world: ports.
        var: where the state is mounted.
        boot_id: of this boot.
        stage: where it is.
    """
    before = _read(var)
    after = before.reached(boot_id, stage)
    if after != before:
        _write(world, var, after)


def leaves(
    world: InitrdWorld, slot: decisions.FoundSlot, log: bootlog.BootLog, boot: tuple[str, str]
) -> bool:
    """Let another slot boot instead of ours, if ours failed too often.

    Args:
        world: ports.
        slot: the slot we would start.
        log: with this boot in it.
        boot: root hash and boot id of this boot.

    Returns:
        True if another entry boots next; the caller starts the machine again.
    """
    root_hash, boot_id = boot
    if not decisions.has_failed_too_often(log, root_hash, boot_id):
        return False
    try:
        with _mounted_esp(world, slot) as esp:
            left = _left(world, esp, slot.table, log, boot)
    except (Fault, OSError) as failure:
        world.journal.say(f"this slot keeps failing and cannot be left: {failure}", ERROR)
        return False
    if left is None:
        return False
    _write(world, world.paths.state, log.with_marked_bad(left, root_hash, boot_id))
    return True


def _left(
    world: InitrdWorld, esp: Esp, table: Gpt, log: bootlog.BootLog, boot: tuple[str, str]
) -> str | None:
    """Switch to another entry; the name of ours, or ``None`` if we stay."""
    from osmodel.assessment import Assessment  # noqa: PLC0415 - see below
    from update_engine.bootcontrol.adapters import control_found  # noqa: PLC0415 - see below

    root_hash, boot_id = boot
    # A boot whose stability could not be logged did not fail.
    log = log.with_noted(bootlog.parse_note(esp.small_file(bootlog.NOTE)))
    if not decisions.has_failed_too_often(log, root_hash, boot_id):
        return None
    control = control_found(esp)
    way_out = decisions.way_out(root_hash, control.entries(), table)
    if way_out is None:
        world.journal.say("this slot keeps failing, and there is no other to boot", ERROR)
        return None
    # One that was good needs no tries: if it fails as well, its own row leads back.
    on_trial = way_out.to.assessment is not Assessment.GOOD
    control.switch(way_out.to, way_out.away, boots=decisions.FAILED_BOOTS, on_trial=on_trial)
    world.journal.say(f"{way_out.away.name} failed too often: {way_out.to.name} boots next", ERROR)
    return way_out.away.name


def _mounted_esp(world: InitrdWorld, slot: decisions.FoundSlot) -> AbstractContextManager[Esp]:
    # Imported here: only a boot that may leave its slot pays for it.
    from contextlib import contextmanager  # noqa: PLC0415 - see above

    from hostio.disk.esp import MountedEsp  # noqa: PLC0415 - see above

    @contextmanager
    def mounted() -> Iterator[Esp]:
        partition = slot.table.find(partitions.ESP)
        if partition is None:
            raise HostFailure(f"{slot.disk.node} has no ESP")
        node = slots.wait_for_partition(world, slot.disk, partition)
        world.modules.load(_FAT_MODULES)
        flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
        world.mounts.mount(
            node.node, world.paths.esp, "vfat", flags=flags, options="umask=0077,flush"
        )
        try:
            yield MountedEsp(world.paths.esp)
        finally:
            world.mounts.unmount(world.paths.esp)

    return mounted()


def _read(var: Path) -> bootlog.BootLog:
    try:
        return bootlog.parse_or_new(_file(var).read())
    except HostFailure:
        return bootlog.BootLog()


def _write(world: InitrdWorld, var: Path, log: bootlog.BootLog) -> None:
    try:
        _file(var).write(bootlog.encode(log))
    except HostFailure as failure:
        world.journal.say(f"this boot is not counted: {failure}", NOTICE)


def _file(var: Path) -> PreallocatedFile:
    return PreallocatedFile(var / BOOT_LOG, capacity=bootlog.SIZE, mode=0o644)
