"""The root file system: EROFS, uncompressed, the same bytes for the same tree.

Not compressed, because what is compressed on the disk cannot be compressed
well, nor compared block by block, on its way to a machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hostio.system.runner import Command, Runner


@dataclass(frozen=True, slots=True)
class ErofsOptions:
    """What the tree does not say.

    Attributes:
        uuid: of the file system.
        timestamp: of every file, seconds since 1970.
    """

    uuid: str
    timestamp: int = 0


def erofs_command(tree: Path, out: Path, options: ErofsOptions) -> Command:
    """The call that writes ``tree`` into ``out``; owners and modes are kept."""
    argv = ["mkfs.erofs", "--quiet", "-b4096", f"-T{options.timestamp}", "--all-time"]
    argv += [f"-U{options.uuid}", str(out), str(tree)]
    return Command(argv)


def make_erofs(tools: Runner, tree: Path, out: Path, options: ErofsOptions) -> int:
    """Write the file system and return its size in bytes, whole blocks.

    Raises:
        HostFailure: mkfs.erofs failed.
    """
    tools.run(erofs_command(tree, out, options))
    return out.stat().st_size
