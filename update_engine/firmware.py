"""``update-ctl firmware``: the firmware files of a board, which belong to no slot.

Firmware, U-Boot, its script and the device trees exist once. An update of the
system does not touch them; an operator may, with ``firmware update``, when the
version that runs brings others. Files are replaced one by one (a pair that must
match right after one another), each from the verified root, each compared with
the medium. The listing comes last, so after an interruption the same command
goes on where it stopped.

``config.txt`` is the one file that people edit: it is replaced only by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from hostio.disk.firmwarefiles import FirmwareFiles
from osmodel import firmwarefiles
from osmodel.faults import HostFailure, InvalidInput
from osmodel.firmwarefiles import File, Listing

HOME = Path("/") / firmwarefiles.HOME
_SPARE = 4 << 20  # bytes that stay free: state files and entries must go on working


class Condition(StrEnum):
    """How a file on the FAT partition compares with the image's."""

    CURRENT = "current"
    DIFFERENT = "different"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class FirmwareStatus:
    """What the board reads, compared with what the image brings.

    Attributes:
        packages: versions that the image brings, by package.
        on_board: versions the board's own listing names; empty without one.
        files: condition of each file, by name.
    """

    packages: dict[str, str]
    on_board: dict[str, str]
    files: dict[str, Condition]

    @property
    def is_current(self) -> bool:
        """Whether an update would change nothing."""
        return not outdated(self)

    def to_json(self) -> dict[str, object]:
        """The fields as JSON values."""
        return {**asdict(self), "current": self.is_current}


@dataclass(frozen=True, slots=True)
class Firmware:
    """The firmware files of this machine.

    Attributes:
        home: directory of the root with the image's copies.
        files: mounts the FAT partition for as long as it is needed.
    """

    home: Path
    files: Callable[[], AbstractContextManager[FirmwareFiles]]

    def status(self) -> FirmwareStatus:
        """Compare every file.

        Raises:
            InvalidInput: this machine's firmware does not come from the image.
            HostFailure: the partition cannot be read.
        """
        listing = self._listing()
        with self.files() as board:
            return _compared(listing, board)

    def update(self, names: Sequence[str], report: Callable[[str], None]) -> FirmwareStatus:
        """Replace what differs, and say what was done.

        Args:
            names: files to replace; without any, all that differ but ``config.txt``.
            report: called with each file once it is replaced.

        Raises:
            InvalidInput: no firmware of ours here, or no such file.
            HostFailure: no room, or the medium refused; what was reported is done.
        """
        listing = self._listing()
        if unknown := sorted(set(names) - set(listing.files)):
            raise InvalidInput(
                f"no firmware file {unknown[0]!r}", hint="`update-ctl firmware status` lists them"
            )
        with self.files() as board:
            board.sweep()
            status = _compared(listing, board)
            wanted = [name for name in names or outdated(status) if _differs(status, name)]
            # Half of a pair would leave the board without the other's match.
            wanted += [name for name in _partners(wanted) if _differs(status, name)]
            for group in firmwarefiles.groups(wanted):
                self._replace(board, listing, group)
                for name in group:
                    report(name)
            self._note(board, _compared(listing, board))
            return _compared(listing, board)

    def _replace(self, board: FirmwareFiles, listing: Listing, names: Sequence[str]) -> None:
        needed = sum(listing.files[name].size for name in names) + _SPARE
        if board.free_bytes() < needed:
            raise HostFailure(
                f"firmware files: {board.free_bytes()} bytes are free, replacing"
                f" {' and '.join(names)} needs {needed}",
                hint="finish or take back the update that is under way",
            )
        for name in names:
            board.stage(name, self._content(listing, name))
        board.place(names)

    def _note(self, board: FirmwareFiles, status: FirmwareStatus) -> None:
        """Put the listing beside the files once all of them are there."""
        ours = (self.home / firmwarefiles.LISTING).read_bytes()
        # An edited config.txt is no reason to hide what the rest is.
        if outdated(status) or _content(board, firmwarefiles.LISTING) == ours:
            return
        board.stage(firmwarefiles.LISTING, ours)
        board.place([firmwarefiles.LISTING])

    def _listing(self) -> Listing:
        try:
            text = (self.home / firmwarefiles.LISTING).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise InvalidInput(
                "this machine's firmware does not come from its image",
                hint="only Raspberry Pi images bring firmware files",
            ) from None
        except OSError as error:
            raise HostFailure(f"{self.home}: {error.strerror}") from error
        return firmwarefiles.parse(text)

    def _content(self, listing: Listing, name: str) -> bytes:
        try:
            content = (self.home / name).read_bytes()
        except OSError as error:
            raise HostFailure(f"{self.home / name}: {error.strerror}") from error
        if _file(content) != listing.files[name]:
            raise HostFailure(f"{self.home / name} is not what the image's listing says")
        return content


def outdated(status: FirmwareStatus) -> list[str]:
    """Files that an update without names replaces."""
    return [
        name
        for name, condition in status.files.items()
        if condition is Condition.MISSING
        or (condition is Condition.DIFFERENT and name != firmwarefiles.CONFIG)
    ]


def _differs(status: FirmwareStatus, name: str) -> bool:
    return status.files[name] is not Condition.CURRENT


def _partners(names: Sequence[str]) -> list[str]:
    pairs = [pair for pair in firmwarefiles.PAIRS if set(pair) & set(names)]
    return [name for pair in pairs for name in pair if name not in names]


def _compared(listing: Listing, board: FirmwareFiles) -> FirmwareStatus:
    sizes = board.sizes()
    files = {}
    for name, wanted in listing.files.items():
        if name not in sizes:
            files[name] = Condition.MISSING
        elif sizes[name] == wanted.size and _file(board.read(name)) == wanted:
            files[name] = Condition.CURRENT
        else:
            files[name] = Condition.DIFFERENT
    return FirmwareStatus(dict(listing.packages), _named(board), files)


def _named(board: FirmwareFiles) -> dict[str, str]:
    try:
        text = (_content(board, firmwarefiles.LISTING) or b"").decode(errors="replace")
        return dict(firmwarefiles.parse(text).packages)
    except InvalidInput:
        return {}  # none there, or damaged: the files are compared all the same


def _content(board: FirmwareFiles, name: str) -> bytes | None:
    return board.read(name) if name in board.sizes() else None


def _file(content: bytes) -> File:
    return File(len(content), hashlib.sha256(content).hexdigest())
