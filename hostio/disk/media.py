"""Read small files from removable media.

A medium is mounted read-only at a private place while it is read, without
devices, programs or links being followed on it, and is gone again afterwards.
Media are found by the label that udev read from them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from hostio.system.runner import Command, Runner
from hostio.system.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, Mounts
from osmodel.faults import HostFailure

SETTLE_SECONDS = 60
"""How long the machine's devices may take to be found, in seconds."""

_MS_NOSYMFOLLOW = 256
_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | _MS_NOSYMFOLLOW
# ECMA-119 8.1 and ECMA-167 2/9: the identifiers of volume descriptors, which
# begin at sector 16 of 2048 bytes.
_DESCRIPTORS = 16 * 2048
_DESCRIPTOR = 2048
_FEW = 8  # descriptors looked at


class Media(Protocol):
    """Port for media; the fake is ``tests.fakes.media.RamMedia``."""

    def labelled(self, label: str) -> Sequence[Path]:
        """Device nodes of file systems with that label, in any case of letters."""
        ...

    def optical(self) -> Sequence[Path]:
        """Device nodes of optical drives."""
        ...

    def boot_partition(self) -> Sequence[Path]:
        """Device node of this machine's own boot partition, if it has one."""
        ...

    def opened(self, node: Path) -> contextlib.AbstractContextManager[Path]:
        """The medium's files, readable inside the block.

        Raises:
            HostFailure: it cannot be mounted.
        """
        ...


class MountedMedia:
    """The media of this machine.

    Args:
        mounts: mounts them.
        runner: waits for udev, once, before the first look.
        dev: where devices are.
        mount_point: private directory.
    """

    def __init__(
        self,
        mounts: Mounts,
        runner: Runner,
        dev: Path = Path("/dev"),
        *,
        mount_point: Path,
    ) -> None:
        self._mounts = mounts
        self._runner = runner
        self._dev = dev
        self._mount_point = mount_point
        self._settled = False

    def labelled(self, label: str) -> Sequence[Path]:
        """See :meth:`Media.labelled`."""
        self._settle()
        links = _listed(self._dev / "disk" / "by-label")
        return [link for link in links if link.name.lower() == label.lower()]

    def optical(self) -> Sequence[Path]:
        """See :meth:`Media.optical`."""
        self._settle()
        return [node for node in _listed(self._dev) if node.name[:2] == "sr"]

    def boot_partition(self) -> Sequence[Path]:
        """See :meth:`Media.boot_partition`."""
        self._settle()
        node = self._dev / "disk" / "by-partlabel" / "esp"
        return [node] if node.exists() else []

    @contextlib.contextmanager
    def opened(self, node: Path) -> Iterator[Path]:
        """See :meth:`Media.opened`."""
        self._mount_point.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._mounts.mount(str(node), self._mount_point, file_system(node), flags=_FLAGS)
        try:
            yield self._mount_point
        finally:
            self._mounts.unmount(self._mount_point)

    def _settle(self) -> None:
        if not self._settled:
            self._settled = True
            # What is not there after this is not waited for: read what is there.
            with contextlib.suppress(HostFailure):
                wait = f"--timeout={SETTLE_SECONDS}"
                self._runner.run(Command(("udevadm", "settle", wait), timeout=2 * SETTLE_SECONDS))


def file_system(node: Path) -> str:
    """The kind of file system on a medium, as mount(2) names it.

    Raises:
        HostFailure: the medium cannot be read.
    """
    try:
        with node.open("rb", buffering=0) as file:
            file.seek(_DESCRIPTORS)
            head = file.read(_FEW * _DESCRIPTOR)
    except OSError as error:
        raise HostFailure(f"{node}: {error.strerror}") from error
    kinds = {head[at + 1 : at + 6] for at in range(0, len(head), _DESCRIPTOR)}
    if b"CD001" in kinds:
        return "iso9660"
    return "udf" if kinds & {b"NSR02", b"NSR03"} else "vfat"


def small_file(path: Path, limit: int) -> bytes | None:
    """The content of a file, or ``None`` if there is none.

    Args:
        path: of a regular file; a link is not followed.
        limit: bytes read at most; the rest is left.

    Raises:
        HostFailure: it cannot be read.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = "is a link" if error.errno == errno.ELOOP else error.strerror
        raise HostFailure(f"{path}: {reason}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise HostFailure(f"{path}: not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _listed(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []
