"""The QEMU call that makes a machine.

Nothing here starts anything. The guest never reaches a network: user networking
is always restricted, and only the ports named in ``forwards`` lead to this host.

Source: QEMU 10.0, qemu-system-x86_64(1) and qemu-system-aarch64(1).
"""

from __future__ import annotations

from pathlib import Path

from builder.machine import smbios
from builder.machine.hardware import Accel, Hardware, MachineFiles
from builder.machine.network import netdev

REPORT_PORT = "org.twinkeel.report"
"""Name of the virtio-serial port on which a machine says that it is ready."""


def qemu_call(hardware: Hardware, files: MachineFiles) -> tuple[str, ...]:
    """The QEMU command line of a machine."""
    traits = hardware.traits
    devices = _virtual_devices if traits.is_virtual else _board_devices
    return (
        *(traits.qemu, "-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", traits.machine, *_processor(hardware)),
        *("-m", str(traits.memory_mib or hardware.memory_mib)),
        *("-smp", str(traits.cpus or hardware.cpus)),
        *_firmware(hardware, files),
        *_control(files),
        *devices(hardware, files),
    )


def _virtual_devices(hardware: Hardware, files: MachineFiles) -> tuple[str, ...]:
    """A machine with a PCI bus, on which everything is virtio."""
    return (
        *("-serial", "chardev:console"),
        *_drive(files),
        *_media(hardware),
        *_network(hardware),
        *("-device", "virtio-rng-pci"),
        *_report_port(files),
        # A guest that hangs is reset, as the watchdog of a real machine does.
        *("-device", "i6300esb", "-action", "watchdog=reset"),
        *smbios.tables(hardware.smbios, hardware.credentials, _kernel_args(hardware)),
    )


def _board_devices(hardware: Hardware, files: MachineFiles) -> tuple[str, ...]:
    """A board whose devices are soldered on."""
    del hardware
    return (
        # The first serial port is the better one, but the firmware speaks on the second.
        *("-serial", "null", "-serial", "chardev:console"),
        *("-drive", f"if=sd,format=qcow2,cache=writeback,file={_escaped(files.disk)}"),
    )


def _processor(hardware: Hardware) -> tuple[str, ...]:
    if hardware.accel is Accel.KVM:
        return ("-accel", "kvm", "-cpu", "host")
    emulated = hardware.traits.emulated_cpu
    return ("-accel", "tcg,thread=multi", *(("-cpu", emulated) if emulated else ()))


def _kernel_args(hardware: Hardware) -> tuple[str, ...]:
    emulated = hardware.accel is Accel.TCG
    return (*(hardware.traits.emulated_kernel_args if emulated else ()), *hardware.kernel_args)


def _firmware(hardware: Hardware, files: MachineFiles) -> tuple[str, ...]:
    traits = hardware.traits
    if traits.flash is not None:
        return (
            *("-drive", f"if=pflash,format=raw,readonly=on,file={traits.flash[0]}"),
            *("-drive", f"if=pflash,format=raw,file={_escaped(files.variables)}"),
            # A failed network boot costs a minute each.
            *("-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n"),
            *("-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"),
        )
    if traits.bios is not None:
        return ("-bios", str(traits.bios))
    return ("-kernel", str(files.kernel), "-dtb", str(files.device_tree))


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


def _control(files: MachineFiles) -> tuple[str, ...]:
    return (
        *("-chardev", f"file,id=console,append=on,path={_escaped(files.console)}"),
        *("-qmp", f"unix:{_escaped(files.monitor)},server=on,wait=off"),
    )


def _report_port(files: MachineFiles) -> tuple[str, ...]:
    return (
        *("-chardev", f"file,id=report,append=on,path={_escaped(files.reports)}"),
        *("-device", "virtio-serial-pci"),
        *("-device", f"virtserialport,chardev=report,name={REPORT_PORT}"),
    )


def _escaped(path: Path) -> str:
    """A path as a value in QEMU's comma-separated options."""
    return str(path).replace(",", ",,")
