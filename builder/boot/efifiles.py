"""The parts of a boot that come from systemd's EFI package, for the target's machine.

The *loader* is of a later Debian suite than everything else: older ones stop in
the firmware's menu at a kernel image that the firmware refuses, for ever; the
one taken here resets the machine, so that its tries are counted and the other
slot starts. The *stub* is the part of a kernel image that the firmware starts.
Nothing but these files is taken from the packages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.boot.uki import EFI_NAMES
from builder.removal import remove_tree
from hostio.system.runner import Command, Runner
from osmodel.faults import InvalidInput

_PLACE = "usr/lib/systemd/boot/efi"


@dataclass(frozen=True, slots=True)
class EfiFile:
    """One file of the package.

    Attributes:
        pattern: its name there; braces stand for the architecture.
        file: its name in the result.
        needed: bytes that it must hold.
    """

    pattern: str
    file: str
    needed: bytes


# The option's name, as the loader's settings are compared: it is there or not.
LOADER = EfiFile("systemd-boot{}.efi", "systemd-boot.efi", b"reboot-on-error")
STUB = EfiFile("linux{}.efi.stub", "linux.efi.stub", b".cmdline")


def extract(
    debs: Mapping[str, Path], chosen: EfiFile, architecture: str, tools: Runner, out: Path
) -> None:
    """Put one file of a package into ``out``.

    Args:
        debs: the package's file, by its name.
        chosen: the file.
        architecture: ``x86_64`` or ``arm64``.
        tools: runs dpkg-deb; sees the package and ``out``.
        out: an empty directory.

    Raises:
        InvalidInput: the package has no such file, or one that cannot do
            what it must.
    """
    ((package, deb),) = debs.items()
    scratch = out / "package"
    scratch.mkdir()
    tools.run(Command(["dpkg-deb", "--extract", str(deb), str(scratch)]))
    name = chosen.pattern.format(EFI_NAMES[architecture])
    file = scratch / _PLACE / name
    if not file.is_file() or chosen.needed not in file.read_bytes():
        raise InvalidInput(f"{package}: no {name} that knows {chosen.needed.decode()!r}")
    file.rename(out / chosen.file)
    remove_tree(scratch)
