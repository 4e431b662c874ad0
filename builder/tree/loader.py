"""The boot loader, of a later Debian suite than everything else.

Older loaders stop in the firmware's menu at a kernel image that the firmware
refuses, for ever; the one taken here resets the machine, so that its tries are
counted and the other slot starts. Nothing but this one file is taken.
"""

from __future__ import annotations

from pathlib import Path

from builder.boot.uki import EFI_NAMES
from builder.cache import remove_tree
from hostio.runner import Command, Runner
from osmodel.faults import InvalidInput

FILE = "systemd-boot.efi"
# The option's name, as the loader's settings are compared: it is there or not.
_NEEDED = b"reboot-on-error"


def extract(deb: Path, architecture: str, tools: Runner, out: Path) -> None:
    """Put the loader into ``out`` as ``systemd-boot.efi``.

    Raises:
        InvalidInput: the package has no loader that resets on an error.
    """
    scratch = out / "package"
    scratch.mkdir()
    tools.run(Command(["dpkg-deb", "--extract", str(deb), str(scratch)]))
    name = f"systemd-boot{EFI_NAMES[architecture]}.efi"
    loader = scratch / "usr/lib/systemd/boot/efi" / name
    if not loader.is_file() or _NEEDED not in loader.read_bytes():
        raise InvalidInput(f"{deb.name}: no {name} that knows {_NEEDED.decode()!r}")
    loader.rename(out / FILE)
    remove_tree(scratch)
