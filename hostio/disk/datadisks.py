"""Data disks: whether one is empty, and making a file system on it.

Empty means that nothing is known to be there (no signature of any file system,
RAID, volume or partition table) and that its first and last mebibyte are zero.
A disk in use is never empty. When in doubt it is not empty: a disk that was not
formatted is a message, one that was formatted by mistake is a loss.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hostio.disk.blockdev import FileBlockDevice
from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure, InvalidInput

_ENDS = 1 << 20  # bytes looked at on either side
_APPEARING = 10  # seconds that a disk may take to appear
_FORMATTING = 1800.0  # seconds


@dataclass(frozen=True, slots=True)
class Content:
    """What is on a disk.

    Attributes:
        kind: ``ext4``, ``vfat``, ``crypto_LUKS``, ``gpt`` ...; empty for nothing
            that is known.
        label: of the file system.
        identity: the file system's UUID, as blkid prints it.
        blank: whether its first and last mebibyte are zero.
        in_use: mounted, part of something else, or read-only.
    """

    kind: str = ""
    label: str = ""
    identity: str = ""
    blank: bool = True
    in_use: bool = False


class DataDisks(Protocol):
    """Port for data disks; the fake is ``tests.fakes.cloudparts.RamDataDisks``."""

    def look(self, device: str) -> Content:
        """What is on a disk; waits some seconds for it to appear.

        Raises:
            InvalidInput: no block device below /dev.
            HostFailure: it is missing or cannot be read.
        """
        ...

    def fresh_identity(self, kind: str) -> str:
        """A UUID that no other file system has, in the form :class:`Content` has it."""
        ...

    def make(self, device: str, kind: str, label: str, identity: str) -> None:
        """Make a file system over whatever is there; durable on return.

        Args:
            device: node of the disk.
            kind: ``ext4`` or ``vfat``.
            label: empty for none.
            identity: as :meth:`fresh_identity` gave it.

        Raises:
            InvalidInput: another kind.
            HostFailure: it could not be made.
        """
        ...


class KernelDataDisks:
    """Disks of this machine; see :class:`DataDisks`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def look(self, device: str) -> Content:
        """See :meth:`DataDisks.look`."""
        self._await(device)
        path = Path(device).resolve()
        if not path.is_relative_to("/dev") or not path.is_block_device():
            raise InvalidInput(f"{device}: not a block device")
        known = self._probe(path)
        kind = known.get("TYPE") or known.get("PTTYPE") or ""
        in_use = _is_in_use(path)
        blank = not in_use and _is_blank(path)
        return Content(kind, known.get("LABEL", ""), known.get("UUID", ""), blank, in_use)

    def fresh_identity(self, kind: str) -> str:
        """See :meth:`DataDisks.fresh_identity`."""
        made = uuid.uuid4()
        return f"{made.hex[:4]}-{made.hex[4:8]}".upper() if kind == "vfat" else str(made)

    def make(self, device: str, kind: str, label: str, identity: str) -> None:
        """See :meth:`DataDisks.make`."""
        self._runner.run(Command(mkfs(device, kind, label, identity), timeout=_FORMATTING))
        with FileBlockDevice(Path(device).resolve(), shared=True) as opened:
            opened.flush()
        with contextlib.suppress(HostFailure):  # the links by label are for others
            self._runner.run(Command(["udevadm", "trigger", "--settle", device], timeout=30.0))

    def _await(self, device: str) -> None:
        if os.path.lexists(device):
            return
        waiting = ["udevadm", "wait", f"--timeout={_APPEARING}", device]
        try:
            self._runner.run(Command(waiting, timeout=_APPEARING + 5.0))
        except HostFailure as failure:
            raise HostFailure(f"{device}: no such disk after {_APPEARING} s") from failure

    def _probe(self, path: Path) -> dict[str, str]:
        """What blkid finds on the medium itself, by its keys."""
        # Asked for a list of nothing it ends with 2, which would look like a failure.
        script = 'blkid --probe --output export "$0" || [ $? = 2 ]'
        found = self._runner.run(Command(["/bin/sh", "-c", script, str(path)], timeout=60.0))
        lines = (line.partition("=") for line in found.decode(errors="replace").splitlines())
        return {key: value for key, _, value in lines}


def _is_in_use(path: Path) -> bool:
    try:
        FileBlockDevice(path).close()  # for itself alone: refused when it is mounted
    except HostFailure:
        return True
    return False


def _is_blank(path: Path) -> bool:
    with FileBlockDevice(path, read_only=True) as opened:
        length = min(_ENDS, opened.size)
        ends = {0, opened.size - length}
        return not any(any(opened.read(offset, length)) for offset in ends)


def mkfs(device: str, kind: str, label: str, identity: str) -> list[str]:
    """The call that makes a file system; see :meth:`DataDisks.make`.

    Raises:
        InvalidInput: a kind that this machine can not make.
    """
    if kind == "ext4":
        labelled = ["-L", label] if label else []
        return ["mkfs.ext4", "-q", "-F", "-U", identity, *labelled, device]
    if kind == "vfat":
        labelled = ["-n", label] if label else []
        return ["mkfs.vfat", "-I", "-i", identity.replace("-", ""), *labelled, device]
    raise InvalidInput(f"no file system of kind {kind!r} can be made here")
