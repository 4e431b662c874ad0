"""The virtual machine as data: what it consists of, and the QEMU call that makes it.

Nothing here starts anything. The guest never reaches a network: user networking
is always restricted, and only the ports named in ``forwards`` lead to this host.

Source: QEMU 10.0, qemu-system-x86_64(1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path

from builder.machine import smbios
from builder.machine.network import DEFAULT_NETWORK, Forward, netdev

REPORT_PORT = "org.twinkeel.report"
"""Name of the virtio-serial port on which a machine says that it is ready."""

FIRMWARE_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
FIRMWARE_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
"""Firmware inside the tools tree: the code, and the template of its variables."""

SSH_KEY_CREDENTIAL = "ssh.authorized_keys.root"

_QEMU = "qemu-system-x86_64"
# Modern enough for every x86-64 distribution, and a third faster to emulate than
# everything the emulator could offer ("max").
_EMULATED_CPU = "Nehalem"


class Accel(StrEnum):
    """Who runs the guest's instructions."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the machine is made of.

    Attributes:
        accel: who runs the instructions.
        memory_mib: size of the memory in MiB.
        cpus: number of processors.
        ssh_port: port of this host's loopback address that leads to the guest's sshd.
        forwards: services of this host the guest may reach.
        credentials: systemd credentials handed to the guest, by name.
        network: the guest's; addresses of ``forwards`` are in it.
        media: raw images that the guest sees as further disks it cannot write to.
        smbios: names in the firmware's tables, see :mod:`builder.machine.smbios`.
        kernel_args: added to the command line of the kernel image.
    """

    accel: Accel
    ssh_port: int
    memory_mib: int = 1024
    cpus: int = 2
    forwards: tuple[Forward, ...] = ()
    credentials: Mapping[str, bytes] = field(default_factory=dict)
    network: IPv4Network = DEFAULT_NETWORK
    media: tuple[Path, ...] = ()
    smbios: Mapping[str, str] = field(default_factory=dict)
    kernel_args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MachineFiles:
    """Files of one machine, all in its own directory.

    Attributes:
        directory: the machine's directory; its path must be short (Unix sockets).
    """

    directory: Path

    @property
    def disk(self) -> Path:
        """Copy-on-write overlay over the built image."""
        return self.directory / "disk.qcow2"

    @property
    def variables(self) -> Path:
        """The firmware's variables."""
        return self.directory / "variables.fd"

    @property
    def console(self) -> Path:
        """All that the serial console printed, over all starts."""
        return self.directory / "console.log"

    @property
    def reports(self) -> Path:
        """All lines of the report port, over all starts."""
        return self.directory / "reports.jsonl"

    @property
    def output(self) -> Path:
        """What QEMU itself printed."""
        return self.directory / "qemu.log"

    @property
    def monitor(self) -> Path:
        """QEMU's control socket."""
        return self.directory / "qmp"

    @property
    def key(self) -> Path:
        """Private SSH key of this machine's operator."""
        return self.directory / "key"


def qemu_call(hardware: Hardware, files: MachineFiles) -> tuple[str, ...]:
    """The QEMU command line of a machine."""
    return (
        _QEMU,
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", "q35,smm=off", *_processor(hardware)),
        *("-m", str(hardware.memory_mib), "-smp", str(hardware.cpus)),
        *_firmware(files),
        *_drive(files),
        *_media(hardware),
        *_network(hardware),
        *("-device", "virtio-rng-pci"),
        *_ports(files),
        # A guest that hangs is reset, as the watchdog of a real machine does.
        *("-device", "i6300esb", "-action", "watchdog=reset"),
        *smbios.tables(hardware.smbios, hardware.credentials, hardware.kernel_args),
    )


def _processor(hardware: Hardware) -> tuple[str, ...]:
    if hardware.accel is Accel.KVM:
        return ("-accel", "kvm", "-cpu", "host")
    return ("-accel", "tcg,thread=multi", "-cpu", _EMULATED_CPU)


def _firmware(files: MachineFiles) -> tuple[str, ...]:
    return (
        *("-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE_CODE}"),
        *("-drive", f"if=pflash,format=raw,file={_escaped(files.variables)}"),
        # A failed network boot costs a minute each.
        *("-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n"),
        *("-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"),
    )


def _drive(files: MachineFiles) -> tuple[str, ...]:
    # Flushes of the guest reach the file; a killed QEMU is then a power cut that
    # loses at most what the guest had not flushed.
    drive = (
        f"if=none,id=disk,format=qcow2,cache=writeback,discard=unmap,file={_escaped(files.disk)}"
    )
    return ("-drive", drive, "-device", "virtio-blk-pci,drive=disk,bootindex=1")


def _media(hardware: Hardware) -> tuple[str, ...]:
    options: list[str] = []
    for number, path in enumerate(hardware.media):
        drive = f"if=none,id=medium{number},format=raw,readonly=on,file={_escaped(path)}"
        options += ["-drive", drive, "-device", f"virtio-blk-pci,drive=medium{number}"]
    return tuple(options)


def _network(hardware: Hardware) -> tuple[str, ...]:
    network = netdev(hardware.network, hardware.ssh_port, hardware.forwards)
    return ("-netdev", network, "-device", "virtio-net-pci,netdev=net,romfile=")


def _ports(files: MachineFiles) -> tuple[str, ...]:
    return (
        *("-chardev", f"file,id=console,append=on,path={_escaped(files.console)}"),
        *("-serial", "chardev:console"),
        *("-chardev", f"file,id=report,append=on,path={_escaped(files.reports)}"),
        *("-device", "virtio-serial-pci"),
        *("-device", f"virtserialport,chardev=report,name={REPORT_PORT}"),
        *("-qmp", f"unix:{_escaped(files.monitor)},server=on,wait=off"),
    )


def _escaped(path: Path) -> str:
    """A path as a value in QEMU's comma-separated options."""
    return str(path).replace(",", ",,")
