"""The machines QEMU can be for an image, and how they differ.

Everything that depends on the kind of machine is a field here; the modules that
build QEMU's call or watch a guest know fields, not machines.

Source: QEMU 10.0, docs/system/arm/virt.rst and raspi.rst; Debian packages ovmf,
qemu-efi-aarch64 and u-boot-qemu, whose files the paths name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from osmodel.faults import InvalidInput
from osmodel.platforms import Platform, Target
from osmodel.releasemanifest import FILE_NAME, ReleaseManifest


class Board(StrEnum):
    """One kind of machine."""

    PC = "pc"
    """A q35 PC with OVMF."""

    VIRT = "virt"
    """QEMU's own arm64 machine with AAVMF, the firmware of arm64 servers."""

    U_BOOT = "u-boot"
    """The same machine with U-Boot: runs Raspberry Pi images, with all devices."""

    RASPI3B = "raspi3b"
    """A Raspberry Pi 3 Model B: no network here, and reports on its console."""

    RASPI4B = "raspi4b"
    """A Raspberry Pi 4 Model B, as far as QEMU has its devices."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a kind of machine consists of.

    Attributes:
        target: images that run on it.
        qemu: the program that emulates it.
        machine: QEMU's machine with its settings.
        emulated_cpu: what is fast to emulate and enough for the image; empty where
            the machine has no other.
        flash: firmware and the template of its variables, in the tools tree.
        bios: firmware that keeps nothing, in the tools tree.
        emulated_kernel_args: what the kernel must be told where it is emulated.
        device_tree: the board's file on the image's boot partition; a machine that has
            one is started as the board's own firmware would, and has no bus of virtual
            devices.
        memory_mib: size of the memory if the board decides it.
        cpus: number of processors if the board decides it.
        boot_timeout: seconds a boot may take. An idle host emulates a PC in 40; several times
            that was seen on loaded ones, and other processors are slower to emulate.
    """

    target: Target
    qemu: str
    machine: str
    emulated_cpu: str = ""
    emulated_kernel_args: tuple[str, ...] = ()
    flash: tuple[Path, Path] | None = None
    bios: Path | None = None
    device_tree: str = ""
    memory_mib: int | None = None
    cpus: int | None = None
    boot_timeout: float = 1800.0

    @property
    def is_virtual(self) -> bool:
        """Whether it has virtio devices: network, report port, random numbers."""
        return not self.device_tree


_ARM = "qemu-system-aarch64"
_VIRT = "virt,gic-version=max"
_PI = Target("arm64", Platform.RASPBERRYPI)
_OVMF = (Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd"))
_AAVMF = (Path("/usr/share/AAVMF/AAVMF_CODE.fd"), Path("/usr/share/AAVMF/AAVMF_VARS.fd"))
_ARM_U_BOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
# Modern enough for every x86-64 distribution, and a third faster to emulate than
# everything the emulator could offer ("max").
_X86_CPU = "Nehalem"
# On a busy host the emulated timer can be late, and Linux then panics with "IO-APIC +
# timer doesn't work". Guests of KVM leave the check out by themselves.
_X86_KERNEL_ARGS = ("no_timer_check",)
# The cores of a Raspberry Pi 4; later ones sign pointers, which is slow to emulate.
_ARM_CPU = "cortex-a72"

TRAITS: Mapping[Board, Traits] = {
    Board.PC: Traits(
        Target(),
        "qemu-system-x86_64",
        "q35,smm=off",
        _X86_CPU,
        _X86_KERNEL_ARGS,
        flash=_OVMF,
        boot_timeout=900.0,
    ),
    Board.VIRT: Traits(Target("arm64"), _ARM, _VIRT, _ARM_CPU, flash=_AAVMF),
    Board.U_BOOT: Traits(_PI, _ARM, _VIRT, _ARM_CPU, bios=_ARM_U_BOOT),
    Board.RASPI3B: Traits(
        _PI,
        _ARM,
        "raspi3b",
        device_tree="bcm2837-rpi-3-b.dtb",
        memory_mib=1024,
        cpus=4,
    ),
    Board.RASPI4B: Traits(
        _PI,
        _ARM,
        "raspi4b",
        device_tree="bcm2711-rpi-4-b.dtb",
        memory_mib=2048,
        cpus=4,
    ),
}
"""All kinds; of those for one target the first is the usual one."""


def target_of(image: Path) -> Target:
    """What a built image is for.

    Args:
        image: output directory of ``build-image``.

    Raises:
        InvalidInput: it has no manifest, or one that says nothing about it.
    """
    path = image / FILE_NAME
    try:
        release = ReleaseManifest.parse(path.read_bytes()).release
        return Target(release.architecture, Platform(release.platform))
    except (OSError, ValueError, InvalidInput) as error:
        raise InvalidInput(
            f"{path}: it does not say what machine the image is for: {error}",
            hint="make the image again with build-image",
        ) from error


def choose(target: Target, wanted: Board | None) -> Board:
    """The machine for an image: as wanted, or the usual one.

    Raises:
        InvalidInput: the image is not for that machine.
    """
    fitting = [board for board, traits in TRAITS.items() if traits.target == target]
    if wanted is None:
        return fitting[0]
    if wanted not in fitting:
        raise InvalidInput(
            f"an image for {target.label} does not run on {wanted}",
            hint=f"it runs on {' or '.join(fitting)}",
        )
    return wanted
