"""Write each boot down, and mark a good slot bad that keeps failing.

The loader stops counting once an entry is good. A boot that finds a row of
failures of its own root behind it therefore marks the entry bad, so that the
loader prefers the other slot at the next boot.

Nothing here may keep a machine from starting: what cannot be read or written
is reported and left.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hostio.files.durable import replace_file
from hostio.system.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID
from osmodel import bootlog, partitions
from osmodel.faults import Fault, HostFailure
from update_engine.initrd import decisions, slots
from update_engine.initrd.world import ERROR, NOTICE, InitrdWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from update_engine.bootcontrol.port import BootControl

BOOT_LOG = "lib/update-engine/starts.json"  # below /var
_FAT_MODULES = ("vfat", "nls_cp437", "nls_ascii", "nls_iso8859_1")


def begin(world: InitrdWorld, root_hash: str, boot_id: str) -> bootlog.BootLog:
    """Write down that this boot began; durable on return if that is possible."""
    log = _read(world.paths.state / BOOT_LOG).begun(root_hash, boot_id)
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
    before = _read(var / BOOT_LOG)
    after = before.reached(boot_id, stage)
    if after != before:
        _write(world, var, after)


def marks_bad(
    world: InitrdWorld, slot: decisions.FoundSlot, log: bootlog.BootLog, boot: tuple[str, str]
) -> bool:
    """Mark our entry bad, if it failed too often.

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
        with _boot_control(world, slot) as control:
            entry = decisions.entry_to_mark_bad(root_hash, control.entries())
            if entry is None:
                world.journal.say("this slot keeps failing, and there is no other to boot", ERROR)
                return False
            name = control.mark_bad(entry, boots=decisions.FAILED_BOOTS)
    except (Fault, OSError) as failure:
        world.journal.say(f"this slot keeps failing and cannot be marked bad: {failure}", ERROR)
        return False
    world.journal.say(f"{entry.name} failed too often: marked bad as {name}", ERROR)
    _write(world, world.paths.state, log.with_marked_bad(entry.name, root_hash, boot_id))
    return True


def _boot_control(
    world: InitrdWorld, slot: decisions.FoundSlot
) -> AbstractContextManager[BootControl]:
    # Imported here: only a boot that may mark its slot bad pays for it.
    from contextlib import contextmanager  # noqa: PLC0415 - see above

    from hostio.disk.esp import MountedEsp  # noqa: PLC0415 - see above
    from update_engine.bootcontrol.adapters import control_found  # noqa: PLC0415 - see above

    @contextmanager
    def mounted() -> Iterator[BootControl]:
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
            yield control_found(MountedEsp(world.paths.esp))
        finally:
            world.mounts.unmount(world.paths.esp)

    return mounted()


def _read(path: Path) -> bootlog.BootLog:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return bootlog.parse_or_new(file.read(bootlog.MAX_TEXT + 1))
    except OSError:
        return bootlog.BootLog()


def _write(world: InitrdWorld, var: Path, log: bootlog.BootLog) -> None:
    path, content = var / BOOT_LOG, bootlog.encode(log).encode()
    try:
        replace_file(path, content)
    except (HostFailure, OSError) as failure:
        # Full, perhaps: the log has one size, so its own blocks can take it.
        # Torn by a power cut it is begun anew, which costs counts, not the boot.
        if not _overwritten(path, content):
            world.journal.say(f"this boot is not counted: {failure}", NOTICE)


def _overwritten(path: Path, content: bytes) -> bool:
    try:
        with path.open("r+b") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return False
    return True
