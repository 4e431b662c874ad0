"""Make device-mapper devices through the kernel's control node."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import NamedTuple, Protocol

from osmodel import devmapper
from osmodel.faults import HostFailure


class Target(NamedTuple):
    """The one target of a device: its type, length in sectors, parameters."""

    kind: str
    sectors: int
    parameters: str


class Mapper(Protocol):
    """Port for mapped devices; the fake is ``tests.fakes.kernel.RamKernel``."""

    def make_device(self, name: str, uuid: str, target: Target) -> Path:
        """Create, fill and start a read-only device; returns its node.

        Raises:
            HostFailure: the kernel refused; nothing is left behind.
        """
        ...


class KernelMapper:
    """The device-mapper of this machine; see :class:`Mapper`."""

    def __init__(self, dev: Path = Path("/dev")) -> None:
        self._dev = dev

    def make_device(self, name: str, uuid: str, target: Target) -> Path:
        """See :meth:`Mapper.make_device`."""
        try:
            control = os.open(self._dev / "mapper/control", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise HostFailure(f"device-mapper: {error.strerror}") from error
        try:
            number = _start(control, name, uuid, target)
            node = self._dev / f"dm-{number}"
            _link(self._dev / "mapper" / name, node)
        except OSError as error:
            with contextlib.suppress(OSError):
                _call(control, devmapper.REMOVE, devmapper.message(name))
            raise HostFailure(f"device-mapper {target.kind} {name}: {error.strerror}") from error
        finally:
            os.close(control)
        return node


def _start(control: int, name: str, uuid: str, target: Target) -> int:
    """The three calls that make a device; returns its minor number."""
    flags = devmapper.READ_ONLY
    answer = _call(control, devmapper.CREATE, devmapper.message(name, uuid=uuid, flags=flags))
    table = devmapper.table_message(name, target.kind, target.sectors, target.parameters)
    _call(control, devmapper.LOAD, table)
    _call(control, devmapper.RESUME, devmapper.message(name, flags=flags))
    return devmapper.device_number(answer)[1]


def _call(control: int, request: int, message: bytes) -> bytes:
    answer = bytearray(message)
    fcntl.ioctl(control, request, answer)
    return bytes(answer)


def _link(link: Path, node: Path) -> None:
    """The name udev would make; in the initrd there is no udev."""
    link.unlink(missing_ok=True)
    link.symlink_to(f"../{node.name}")
