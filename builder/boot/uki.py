"""The unified kernel image: kernel, initrd, command line and identity in one file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hostio.system.runner import Command, Runner
from osmodel import trailingchecksum
from osmodel.faults import HostFailure
from osmodel.partitions import checked_root_hash
from osmodel.platforms import Platform
from osmodel.uki import UkiIdentity, identify

FILE = "uki.efi"
EFI_NAMES = {"x86_64": "x64", "arm64": "aa64"}
_ALWAYS = (
    "ro",
    "gpt",  # the kernel reads the backup table when the first is torn
    "panic=10",
    "oops=panic",
    "systemd.gpt_auto=no",
    "systemd.crash_action=reboot",
    "systemd.default_device_timeout_sec=120",
)
_CONSOLES = {
    "x86_64": ("console=tty0", "console=ttyS0,115200"),
    "arm64": ("console=tty0", "console=ttyAMA0,115200"),
}
# A board's device tree names its serial port, which differs from model to
# model; the kernel asks it as long as no console is named here.
_BOARD_CONSOLES: tuple[str, ...] = ()
_PIECE = 1 << 20
_QUIET = ("quiet", "loglevel=4", "systemd.show_status=auto")


@dataclass(frozen=True, slots=True)
class UkiOptions:
    """What a kernel image is made of.

    Attributes:
        architecture: ``x86_64`` or ``arm64``.
        kernel_release: what ``uname -r`` will print.
        root_hash: of the root it opens, 64 hex digits.
        arguments: kernel arguments beside the usual ones.
        platform: how the machine boots.
    """

    architecture: str
    kernel_release: str
    root_hash: str
    arguments: tuple[str, ...] = ()
    platform: Platform = Platform.UEFI


def command_line(options: UkiOptions) -> str:
    """The kernel command line of an image.

    Raises:
        InvalidInput: not a root hash.
    """
    on_board = options.platform is Platform.RASPBERRYPI
    consoles = _BOARD_CONSOLES if on_board else _CONSOLES[options.architecture]
    words = [f"roothash={checked_root_hash(options.root_hash)}", *_ALWAYS, *consoles]
    return " ".join([*words, *_QUIET, *options.arguments])


@dataclass(frozen=True, slots=True)
class UkiParts:
    """The files that are joined, all of them the target's."""

    stub: Path
    kernel: Path
    initrd: Path
    os_release: Path


def uki_command(parts: UkiParts, out: Path, options: UkiOptions) -> Command:
    """The call that joins the parts."""
    efi = EFI_NAMES[options.architecture]
    line = command_line(options)
    return Command(
        [
            "ukify", "build",
            f"--linux={parts.kernel}",
            f"--initrd={parts.initrd}",
            f"--cmdline={line}",
            f"--os-release=@{parts.os_release}",
            f"--uname={options.kernel_release}",
            f"--efi-arch={efi}",
            f"--stub={parts.stub}",
            f"--output={out}",
        ]
    )  # fmt: skip


def make(tools: Runner, parts: UkiParts, options: UkiOptions, out: Path) -> None:
    """Fill ``out`` with the image; see :func:`make_uki`."""
    make_uki(tools, parts, out / FILE, options)


def make_uki(tools: Runner, parts: UkiParts, out: Path, options: UkiOptions) -> UkiIdentity:
    """Write the image and read back who it says it is.

    Args:
        tools: runs ukify.
        parts: what to join.
        out: file to write.
        options: the rest.

    Raises:
        HostFailure: ukify failed or made something else.
        UntrustedData: what it made cannot be read.
    """
    tools.run(uki_command(parts, out, options))
    if options.platform is Platform.RASPBERRYPI:
        _append_checksum(out)
    with out.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        identity = identify(read, out.stat().st_size)
    if identity.root_hash != options.root_hash.lower():
        raise HostFailure(f"the kernel image names root {identity.root_hash}")
    return identity


def _append_checksum(image: Path) -> None:
    """Let the boot script see damage: U-Boot would crash on some, again and again."""
    with image.open("r+b") as file:
        file.write(trailingchecksum.ending(iter(partial(file.read, _PIECE), b"")))
