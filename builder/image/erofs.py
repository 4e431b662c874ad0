"""The root file system: EROFS, uncompressed, the same bytes for the same tree.

Not compressed, because what is compressed on the disk cannot be compressed
well, nor compared block by block, on its way to a machine.

Its UUID follows from its content. A machine lays /etc of the root below an
overlay that outlives the root: each file that was copied up carries
``trusted.overlay.origin``, the UUID and inode number of the file it came from.
Under one UUID for all versions, overlayfs would find "its" inode in every later
version, and there it is another file.

Source: Linux, fs/overlayfs/namei.c (``ovl_decode_real_fh``).
"""

from __future__ import annotations

from pathlib import Path

from builder.image import sparsefile
from hostio.system.runner import Command, Runner
from osmodel.partitions import derived_guid

_NO_UUID = "00000000-0000-0000-0000-000000000000"


def erofs_command(tree: Path, out: Path, uuid: str, timestamp: int) -> Command:
    """The call that writes ``tree`` into ``out``; owners and modes are kept.

    Args:
        tree: directory to write.
        out: file that does not exist yet.
        uuid: of the file system.
        timestamp: of every file, seconds since 1970.
    """
    argv = ["mkfs.erofs", "--quiet", "-b4096", f"-T{timestamp}", "--all-time"]
    argv += [f"-U{uuid}", str(out), str(tree)]
    return Command(argv)


def make_erofs(tools: Runner, tree: Path, out: Path, timestamp: int = 0) -> int:
    """Write the file system and return its size in bytes, whole blocks.

    It is written twice: what the first one holds names the second. The UUID is
    inside the superblock's checksum, so it cannot simply be put in place.

    Raises:
        HostFailure: mkfs.erofs failed.
    """
    tools.run(erofs_command(tree, out, _NO_UUID, timestamp))
    uuid = derived_guid("root", sparsefile.sha256(out))
    out.unlink()
    tools.run(erofs_command(tree, out, uuid, timestamp))
    return out.stat().st_size
