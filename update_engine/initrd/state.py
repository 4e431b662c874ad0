"""The state partition: everything a machine writes lives there, so never lose it.

- It is repaired when it can be, and a repair that may have cost data is shown
  in the log and in boot.json.
- It is formatted only where no file system was: never because one is broken.
- If it cannot be mounted the boot fails. On trial that falls back to the
  version that could; otherwise the machine starts again and stays out of its
  cluster rather than join it without its store. An operator can start it with
  ``twinkeel.state=volatile`` to rescue data.

systemd-repart makes the file system before it writes the partition table, so
a partition that is there is whole; a cut in between is begun anew.
"""

from __future__ import annotations

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hostio.disk.blockdev import first_bytes
from hostio.disk.systemdisk import disk_table
from hostio.system.syscalls import MS_BIND, MS_NODEV, MS_NOSUID
from osmodel import ext4, partitions
from osmodel.faults import HostFailure
from update_engine.initrd import decisions, slots
from update_engine.initrd.world import ERROR, NOTICE, InitrdWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostio.disk.sysfs import PartitionNode
    from osmodel.gpt import Gpt

_CHECK = "/usr/sbin/e2fsck"  # in the initrd
_FORMAT = "/usr/sbin/mkfs.ext4"  # in the root
_REPART = (
    "/usr/bin/systemd-repart",  # in the root
    "--dry-run=no",
    "--empty=refuse",
    "--seed=random",
    "--definitions=/usr/lib/twinkeel/repart.d",
    "--no-pager",
    "--no-legend",
)
_MODULES = ("loop",)  # through which systemd-repart writes the file system
_MAKING_TIMEOUT = 600.0  # seconds; it takes two, and 30 on a loaded host
_ERRORS_LEFT = 4  # bit of e2fsck's exit status: errors were not corrected
_NOT_CHECKED = 8  # and above: e2fsck itself failed
_EMPTY_HEAD = 1 << 20  # bytes that must be zero before we call a partition empty

_OPTIONS = "errors=remount-ro"
# What the root's links point at; the mode of what is made.
_DIRECTORIES = {"home": 0o755, "roothome": 0o700, "srv": 0o755, "opt": 0o755}


class Missing(StrEnum):
    """What a machine still lacks."""

    PARTITION = "partition"
    FILE_SYSTEM = "file system"


class State(NamedTuple):
    """The mounted state.

    Attributes:
        durable: false if it is gone with the next restart.
        made: this boot made it.
        repaired: e2fsck changed more than a replayed journal explains.
    """

    durable: bool = True
    made: bool = False
    repaired: bool = False


def open_state(world: InitrdWorld, slot: decisions.FoundSlot) -> State | Missing:
    """Mount the state partition if there is one.

    Raises:
        HostFailure: it is there and cannot be used.
    """
    partition = slot.table.find(partitions.STATE)
    if partition is None:
        return Missing.PARTITION
    node = slots.wait_for_partition(world, slot.disk, partition)
    head = _head(node)
    if ext4.file_system_size(head) is None and not any(head):
        return Missing.FILE_SYSTEM
    repaired = _check(world, node)
    _mount(world, node)
    return State(repaired=repaired)


def open_volatile_state(world: InitrdWorld) -> State:
    """Mount memory instead of the partition."""
    world.journal.say("state is volatile on request; nothing will be kept", ERROR)
    world.mounts.mount("tmpfs", world.paths.state, "tmpfs", flags=MS_NOSUID | MS_NODEV)
    _make_directories(world)
    return State(durable=False)


def make_state(world: InitrdWorld, slot: decisions.FoundSlot, missing: Missing) -> State:
    """Make what is missing, with the tools of the mounted root, and mount it.

    Raises:
        HostFailure: it could not be made.
    """
    with _usable_root(world):
        table = _repartitioned(world, slot) if missing is Missing.PARTITION else slot.table
        partition = table.find(partitions.STATE)
        if partition is None:
            raise HostFailure(f"systemd-repart made no state partition on {slot.disk.node}")
        node = slots.wait_for_partition(world, slot.disk, partition)
        if missing is Missing.FILE_SYSTEM:
            _run_in_root(world, (_FORMAT, "-q", "-F", "-L", partitions.STATE, node.node))
    _mount(world, node)
    return State(made=True)


def grow_state(world: InitrdWorld, slot: decisions.FoundSlot) -> None:
    """Use room that appeared behind the state partition; failing is no harm."""
    partition = slot.table.find(partitions.STATE)
    if partition is None or not decisions.can_grow(slot.table, partition):
        return
    try:
        with _usable_root(world):
            partition = _repartitioned(world, slot).find(partitions.STATE)
        if partition is not None:
            _grow_file_system(world, slots.wait_for_partition(world, slot.disk, partition))
    except HostFailure as failure:
        world.journal.say(f"state did not grow: {failure}", NOTICE)


def _repartitioned(world: InitrdWorld, slot: decisions.FoundSlot) -> Gpt:
    """The table after systemd-repart made or grew the state partition."""
    world.modules.load(_MODULES)
    _run_in_root(world, (*_REPART, slot.disk.node))
    return disk_table(slot.disk)


def _mount(world: InitrdWorld, node: PartitionNode) -> None:
    flags = MS_NOSUID | MS_NODEV
    world.mounts.mount(node.node, world.paths.state, "ext4", flags=flags, options=_OPTIONS)
    try:
        _grow_file_system(world, node)
        _make_directories(world)
    except (HostFailure, OSError) as failure:
        # Full or read-only: the machine is still of more use up than down.
        world.journal.say(f"state: {failure}", ERROR)


def _grow_file_system(world: InitrdWorld, node: PartitionNode) -> None:
    """Finish growing, also after a power cut between table and file system."""
    size = ext4.file_system_size(_head(node))
    if size is not None and node.size - size >= decisions.GROWTH_WORTH_IT:
        world.mounts.grow_ext4(world.paths.state, node.size)
        world.journal.say(f"state grew from {size} to {node.size} bytes", NOTICE)


def _make_directories(world: InitrdWorld) -> None:
    for name, mode in _DIRECTORIES.items():
        with contextlib.suppress(FileExistsError):
            (world.paths.state / name).mkdir(mode=mode)


def _check(world: InitrdWorld, node: PartitionNode) -> bool:
    """Repair the file system; true if that took more than the safe mode."""
    ended = world.programs.run((_CHECK, "-p", node.node))
    if ended.status < _ERRORS_LEFT:
        if ended.status:
            world.journal.say(f"state repaired: {ended.output}", NOTICE)
        return False
    world.journal.say(f"state needs a deep repair: {ended.output}", ERROR)
    ended = world.programs.run((_CHECK, "-f", "-y", node.node))
    world.journal.say(f"state repair ended with {ended.status}: {ended.output}", ERROR)
    # Whatever it says, the kernel has the last word when it mounts.
    return ended.status < _NOT_CHECKED


def _head(node: PartitionNode) -> bytes:
    return first_bytes(Path(node.node), _EMPTY_HEAD)


def _run_in_root(world: InitrdWorld, argv: tuple[str, ...]) -> None:
    ended = world.programs.run(argv, root=world.paths.root, timeout=_MAKING_TIMEOUT)
    if ended.status:
        raise HostFailure(f"{argv[0]} ended with {ended.status}: {ended.output}")
    world.journal.say(f"{argv[0]}: done")


@contextlib.contextmanager
def _usable_root(world: InitrdWorld) -> Iterator[None]:
    """The mounted root with what its programs expect: devices and a place to write."""
    root = world.paths.root
    inside = [root / "proc", root / "sys", root / "dev", root / "run"]
    outside = [world.paths.proc, world.paths.sys, world.paths.dev, world.paths.run]
    for source, target in zip(outside, inside, strict=True):
        world.mounts.mount(str(source), target, "", flags=MS_BIND)
    world.mounts.mount("tmpfs", root / "tmp", "tmpfs", flags=MS_NOSUID | MS_NODEV)
    try:
        yield
    finally:
        for target in (root / "tmp", *inside):
            world.mounts.unmount(target)
