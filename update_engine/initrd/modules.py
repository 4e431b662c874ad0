"""Load kernel modules: some by name, drivers by the devices that are there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from osmodel.faults import HostFailure
from osmodel.kernelmodules import parse_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Buses on which the way to a disk, and watchdogs, can be met. Reading the few
# directories is much cheaper than walking all of /sys/devices.
_BUSES = ("pci", "virtio", "scsi", "usb", "platform", "acpi", "vmbus", "xen", "mmc")


class Modules:
    """The modules in the initrd.

    Args:
        directory: with modules.dep, modules.alias and the files.
        sys: where sysfs is mounted.
        load: gives one file to the kernel; raises ``HostFailure``.
    """

    def __init__(self, directory: Path, sys: Path, load: Callable[[Path], None]) -> None:
        self._directory = directory
        self._sys = sys
        self._load = load
        self._done: set[str] = set()
        self._seen: set[str] = set()
        self._index = parse_index(
            _text(directory / "modules.dep"), _text(directory / "modules.alias")
        )

    def load(self, names: Iterable[str]) -> list[str]:
        """Load modules with what they need; those not in the initrd are built in.

        Returns:
            A line for each one the kernel refused. Whether that matters shows
            when the thing it was for is used.
        """
        refused = []
        for name in names:
            for file in self._index.load_order(name):
                if file in self._done:
                    continue
                self._done.add(file)
                try:
                    self._load(self._directory / file)
                except HostFailure as failure:
                    refused.append(str(failure))
        return refused

    def load_drivers(self) -> list[str]:
        """Load drivers for the devices that appeared since the last call."""
        fresh = set(self._device_ids()) - self._seen
        self._seen |= fresh
        wanted = [name for one in sorted(fresh) for name in self._index.drivers_of(one)]
        return self.load(wanted)

    def _device_ids(self) -> Iterator[str]:
        for bus in _BUSES:
            devices = self._sys / "bus" / bus / "devices"
            try:
                found = list(devices.iterdir())
            except OSError:
                continue  # this machine has no such bus
            for device in found:
                if text := _text(device / "modalias").strip():
                    yield text


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
