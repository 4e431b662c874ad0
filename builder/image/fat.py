"""FAT32 file systems in files: written and read by mtools, measured by ourselves.

Clusters have 4 KiB. The same files give the same bytes.

Source: Microsoft FAT specification, August 2005, sections 3.1 and 4; mtools 4.0.48.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from hostio.system.runner import Command, Runner
from osmodel.faults import InvalidInput

_SECTOR = 512
_SECTORS_PER_CLUSTER = 8
# Volumes that some firmware takes have fewer sectors per track than mtools wants.
_ENVIRONMENT = {"TZ": "UTC", "MTOOLS_SKIP_CHECK": "1"}

# bytes per sector, sectors per cluster, reserved sectors, FATs
_BIOS_BLOCK = struct.Struct("<11xHBHB")
_FAT_SECTORS = struct.Struct("<I")
_FAT_SECTORS_AT = 36
_ENTRY = 4  # bytes of a FAT32 entry
_FIRST_CLUSTER = 2


def fill_commands(
    files: Mapping[str, Path], out: Path, volume_id: int, timestamp: int
) -> list[Command]:
    """The calls that make a file system with ``files`` in ``out``, which has its size already.

    Args:
        files: source of each file, by path in the file system.
        out: the image.
        volume_id: of the file system, 32 bits.
        timestamp: of every file, seconds since 1970; FAT begins in 1980.
    """
    env = {**_ENVIRONMENT, "SOURCE_DATE_EPOCH": str(timestamp)}
    shape = ("-F", "32", "-S", str(_SECTOR), "-s", str(_SECTORS_PER_CLUSTER))
    made = ("mkfs.vfat", "--invariant", *shape, "-i", f"{volume_id:08x}", "-n", "ESP", str(out))
    directories = {parent for name in files for parent in Path(name).parents} - {Path()}
    names = [f"::/{path}" for path in sorted(directories)]
    calls = [made, ("mmd", "-i", str(out), *names)]
    calls += [
        ("mcopy", "-i", str(out), str(source), f"::/{name}") for name, source in files.items()
    ]
    return [Command(call, env=env) for call in calls]


def read_text(tools: Runner, image: Path, offset: int, name: str) -> str:
    """The text of a file.

    Args:
        tools: runs mtools; sees ``image``.
        image: holds the file system.
        offset: where in ``image`` it begins, in bytes.
        name: of the file.

    Raises:
        HostFailure: there is no such file.
    """
    argv = ("mtype", "-i", f"{image}@@{offset}", f"::{name}")
    return tools.run(Command(argv, env=_ENVIRONMENT)).decode(errors="replace")


def extract(tools: Runner, image: Path, offset: int, name: str, out: Path) -> None:
    """Copy a file out; see :func:`read_text`."""
    argv = ("mcopy", "-n", "-o", "-i", f"{image}@@{offset}", f"::{name}", str(out))
    tools.run(Command(argv, env=_ENVIRONMENT))


def used_bytes(image: Path) -> int:
    """Bytes of an image up to its last used cluster.

    Raises:
        InvalidInput: not a FAT32 image.
    """
    with image.open("rb") as file:
        head = file.read(_SECTOR)
        if len(head) < _SECTOR:
            raise InvalidInput(f"{image}: not a FAT32 file system")
        sector, per_cluster, reserved, copies = _BIOS_BLOCK.unpack_from(head)
        (sectors,) = _FAT_SECTORS.unpack_from(head, _FAT_SECTORS_AT)
        if not sector or not per_cluster or not copies or not sectors:
            raise InvalidInput(f"{image}: not a FAT32 file system")
        file.seek(reserved * sector)
        table = file.read(sectors * sector)
    entries = -(-len(table.rstrip(b"\0")) // _ENTRY)
    used = reserved + copies * sectors + (entries - _FIRST_CLUSTER) * per_cluster
    return int(used * sector)
