"""Calls to the kernel that Python does not offer: mounts, modules, restart.

Used where no other program is at hand, above all by the initrd, where each
program avoided is megabytes less in the boot image and time less at each start.

Source: mount(2), umount2(2), finit_module(2), reboot(2); Linux 6.12.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from osmodel.faults import HostFailure

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_MOVE = 8192
MS_BIND = 4096

_RB_AUTOBOOT = 0x0123_4567
# glibc has no wrapper for finit_module; arm64 uses the generic numbers.
_FINIT_MODULE = {"x86_64": 313, "aarch64": 273}
_EEXIST = 17
_EXT4_RESIZE = 0x4008_6610  # EXT4_IOC_RESIZE_FS, a number of blocks


class Mounts(Protocol):
    """Port for mounting; the fake is ``tests.fakes.kernel.RamKernel``."""

    def mount(
        self, source: str, target: Path, kind: str, *, flags: int = 0, options: str = ""
    ) -> None:
        """Mount ``source`` on ``target``, which is made if it is missing.

        Raises:
            HostFailure: the kernel refused.
        """
        ...

    def unmount(self, target: Path) -> None:
        """Take a mount away; waits until it is written back.

        Raises:
            HostFailure: the kernel refused.
        """
        ...

    def move_mount(self, source: Path, target: Path) -> None:
        """Move a mount to another place.

        Raises:
            HostFailure: the kernel refused.
        """
        ...

    def grow_ext4(self, target: Path, size: int) -> None:
        """Make a mounted ext4 file system larger; a no-op if it is so already.

        Args:
            target: where it is mounted.
            size: bytes it shall cover.

        Raises:
            HostFailure: the kernel refused.
        """
        ...


class KernelMounts:
    """Mounts of this machine; see :class:`Mounts`."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def mount(
        self, source: str, target: Path, kind: str, *, flags: int = 0, options: str = ""
    ) -> None:
        """See :meth:`Mounts.mount`."""
        target.mkdir(parents=True, exist_ok=True)
        done = self._libc.mount(
            os.fsencode(source),
            os.fsencode(target),
            kind.encode(),
            ctypes.c_ulong(flags),
            options.encode(),
        )
        if done != 0:
            raise _failure(f"mount {source} on {target} as {kind or 'moved'}")

    def unmount(self, target: Path) -> None:
        """See :meth:`Mounts.unmount`."""
        if self._libc.umount2(os.fsencode(target), 0) != 0:
            raise _failure(f"unmount {target}")

    def move_mount(self, source: Path, target: Path) -> None:
        """See :meth:`Mounts.move_mount`."""
        self.mount(str(source), target, "", flags=MS_MOVE)

    def grow_ext4(self, target: Path, size: int) -> None:
        """See :meth:`Mounts.grow_ext4`."""
        try:
            descriptor = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise HostFailure(f"{target}: {error.strerror}") from error
        try:
            blocks = struct.pack("=Q", size // os.fstatvfs(descriptor).f_frsize)
            fcntl.ioctl(descriptor, _EXT4_RESIZE, blocks)
        except OSError as error:
            raise HostFailure(f"grow {target} to {size} bytes: {error.strerror}") from error
        finally:
            os.close(descriptor)


def load_module(path: Path) -> None:
    """Load one kernel module file; nothing happens if it is there already.

    Raises:
        HostFailure: the kernel refused it, or the file is not there.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    number = _FINIT_MODULE[os.uname().machine]
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error
    try:
        done = libc.syscall(ctypes.c_long(number), descriptor, b"", 0)
        if done != 0 and ctypes.get_errno() != _EEXIST:
            raise _failure(f"load {path.name}")
    finally:
        os.close(descriptor)


def reboot() -> None:
    """Start the machine again at once; the caller has written back what matters."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.reboot(ctypes.c_int(_RB_AUTOBOOT))
    raise _failure("reboot")


def switch_root(root: Path, argv: Sequence[str]) -> None:
    """Make ``root`` the root of this process, free the old one, become ``argv``.

    The old root must be the kernel's initramfs: its files are deleted, since
    nothing else could ever give their memory back.

    Raises:
        HostFailure: the kernel refused; the old root may be gone already.
    """
    old = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    mounts = KernelMounts()
    try:
        os.chdir(root)
        mounts.move_mount(Path(), Path("/"))
        os.chroot(".")
        os.chdir("/")
        _delete_tree(old, os.fstat(old).st_dev)
        os.execv(argv[0], list(argv))  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise HostFailure(f"hand over to {argv[0]}: {error.strerror}") from error


def _delete_tree(directory: int, device: int) -> None:
    """Delete what lies below an open directory, on its own file system only."""
    with os.scandir(directory) as found:
        entries = list(found)
    for entry in entries:
        # What cannot be deleted costs memory, not the start.
        with contextlib.suppress(OSError):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=directory)
            elif entry.stat(follow_symlinks=False).st_dev == device:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
                inside = os.open(entry.name, flags, dir_fd=directory)
                _delete_tree(inside, device)
                os.close(inside)
                os.rmdir(entry.name, dir_fd=directory)


def _failure(what: str) -> HostFailure:
    return HostFailure(f"{what}: {os.strerror(ctypes.get_errno())}")
