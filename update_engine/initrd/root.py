"""Open the verity root, lay the writable parts over it, and hand over to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from hostio.disk.blockdev import first_bytes
from hostio.disk.devmapper import Target
from hostio.system.syscalls import MS_NODEV, MS_NOSUID, MS_RDONLY
from osmodel import partitions, verity
from osmodel.faults import UntrustedData
from update_engine.initrd import decisions, slots

if TYPE_CHECKING:
    from update_engine.initrd.state import State
    from update_engine.initrd.world import InitrdWorld

# The hashes first: verity takes the fastest there is. What a kernel has built in
# or a processor cannot do is passed over.
# The checksum first: EROFS and ext4 ask for it while they are loaded.
MODULES = (
    "crc32c_generic", "sha256_ssse3", "sha2_ce", "sha256_arm64", "dm_verity", "erofs", "overlay",
    "ext4",
)  # fmt: skip
_NAME = "root"
# By default a kernel's configuration decides each.
_UNTIED = "index=off,metacopy=off,redirect_dir=off,nfs_export=off,xino=off"


def open_root(world: InitrdWorld, slot: decisions.FoundSlot, root_hash: str) -> None:
    """Mount the root, every block of it checked against the root hash.

    Raises:
        UntrustedData: the hash tree is not one of ours.
        HostFailure: the kernel refused.
    """
    root = slots.wait_for_partition(world, slot.disk, slot.root)
    tree = slots.wait_for_partition(world, slot.disk, slot.verity)
    superblock = verity.parse_superblock(first_bytes(Path(tree.node), verity.BLOCK))
    covered = superblock.data_blocks * verity.BLOCK
    if covered > root.size or verity.hash_device_size(superblock.data_blocks) > tree.size:
        raise UntrustedData(f"verity tree covers {covered} bytes, more than slot {slot.slot} has")
    sectors, parameters = verity.dm_table(superblock, root_hash, root.device, tree.device)
    # The prefix tells systemd what this device is, so that it leaves it alone.
    uuid = f"CRYPT-VERITY-{superblock.uuid.hex()}-{_NAME}"
    node = world.mapper.make_device(_NAME, uuid, Target("verity", sectors, parameters))
    flags = MS_RDONLY | MS_NODEV
    world.mounts.mount(str(node), world.paths.root, "erofs", flags=flags)


def lay_state(world: InitrdWorld) -> None:
    """Put the state at /var and over /etc.

    Raises:
        HostFailure: the kernel refused.
    """
    var = world.paths.root / "var"
    world.mounts.move_mount(world.paths.state, var)
    upper, work = var / "lib/overlays/etc/upper", var / "lib/overlays/etc/work"
    etc = world.paths.root / "etc"
    options = f"lowerdir={etc}"
    try:
        upper.mkdir(parents=True, exist_ok=True)
        work.mkdir(parents=True, exist_ok=True)
        # An upper layer outlives the lower one it was made over: nothing that would
        # tie them together. What overlayfs notes on its own, the lower file that a copy
        # came from, is void on the next version, whose file system has another UUID.
        options += f",upperdir={upper},workdir={work},{_UNTIED}"
    except OSError as error:
        world.journal.say(f"/etc is read-only: {error}", 3)
        if not upper.is_dir():
            return
        options = f"lowerdir={upper}:{etc}"
    flags = MS_NOSUID | MS_NODEV
    world.mounts.mount("overlay", etc, "overlay", flags=flags, options=options)


def write_boot_facts(
    world: InitrdWorld, slot: decisions.FoundSlot, boot: tuple[str, str], state: State
) -> None:
    """Tell the running system which slot and disk it came from: boot.json."""
    root_hash, boot_id = boot
    esp = slot.table.find(partitions.ESP)
    numbers = {"esp": esp.number} if esp else {}
    facts = {
        "root_hash": root_hash,
        "boot_id": boot_id,
        "slot": slot.slot,
        "disk": slot.disk.node,
        "partitions": {**numbers, "root": slot.root.number, "verity": slot.verity.number},
        "state": state._asdict(),
    }
    path = world.paths.run / "twinkeel/boot.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts) + "\n", encoding="utf-8")


def move_mounts(world: InitrdWorld) -> None:
    """Take the kernel's file systems along into the root."""
    paths = world.paths
    for source in (paths.proc, paths.sys, paths.dev, paths.run):
        world.mounts.move_mount(source, paths.root / source.name)
