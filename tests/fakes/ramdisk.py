"""Disks in memory whose power can be cut, with everything a drive may then lose."""

import itertools
import random
from collections.abc import Callable, Iterator

from osmodel.faults import HostFailure

SECTOR = 512
_EXHAUSTIVE = 8  # pending pieces up to which every subset is tried


class PowerCut(BaseException):
    """Not an ``Exception``: no handler under test may catch it."""


class Power:
    """What a set of disks hangs on; a write or a flush of any of them is one operation.

    Args:
        cut_at: number of the operation (from 0) that no longer happens for
            sure, or ``None`` for power that lasts.
    """

    def __init__(self, cut_at: int | None = None) -> None:
        self.operations = 0
        self._cut_at = cut_at

    def use(self, medium: str = "") -> None:
        """One operation that is durable or not.

        Args:
            medium: ``disk``, ``esp`` or ``state``.
        """
        del medium
        if self._cut_at is not None and self.operations >= self._cut_at:
            raise PowerCut
        self.operations += 1

    def touch(self, medium: str) -> None:
        """One operation that no cut can tear: on ``run`` or ``var``."""


class Refusing(Power):
    """A machine on which writes fail.

    Args:
        refuses: says for the number of a write (from 0) and its medium with which
            words it fails; empty if it does not.
    """

    def __init__(self, refuses: Callable[[int, str], str]) -> None:
        super().__init__()
        self.writes = 0
        self.refused = 0
        self._refuses = refuses

    def heal(self) -> None:
        """Let every write succeed from here on."""
        self._refuses = lambda _number, _medium: ""

    def use(self, medium: str = "") -> None:
        self.touch(medium)
        super().use(medium)

    def touch(self, medium: str) -> None:
        number, self.writes = self.writes, self.writes + 1
        if words := self._refuses(number, medium):
            self.refused += 1
            raise HostFailure(f"{medium}: {words}")


class RamDisk:
    """Keeps durable and pending bytes apart, as a drive with a cache does.

    Args:
        size: bytes.
        power: shared with the other disks of the machine.
        content: what it holds at first, from offset 0.
        loses: number of a write (from 0) that reads back until the cache is
            dropped but never reaches the medium.
    """

    def __init__(
        self,
        size: int,
        *,
        power: Power | None = None,
        content: bytes = b"",
        loses: int | None = None,
    ) -> None:
        assert len(content) <= size
        self.durable = bytearray(content.ljust(size, b"\0"))
        self.writes = 0
        self.flushes = 0
        self.bytes_written = 0
        self._current = bytearray(self.durable)
        self._pending: list[tuple[int, bytes]] = []
        self._power = power or Power()
        self._loses = loses

    @property
    def size(self) -> int:
        return len(self.durable)

    def read(self, offset: int, length: int) -> bytes:
        self._check(offset, length)
        return bytes(self._current[offset : offset + length])

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        data = bytes(data)
        self._check(offset, len(data))
        # Pending before the cut: the write that is under way may arrive or not.
        self._pending.append((offset, data))
        self._power.use("disk")
        if self.writes == self._loses:
            self._pending.pop()
        self._current[offset : offset + len(data)] = data
        self.writes += 1
        self.bytes_written += len(data)

    def flush(self) -> None:
        self._power.use("disk")
        self.flushes += 1
        for offset, data in self._pending:
            self.durable[offset : offset + len(data)] = data
        self._pending.clear()

    def drop_cache(self) -> None:
        self.flush()
        self._current = bytearray(self.durable)

    def forget(self) -> None:
        """Lose what is pending, as after a flush that failed."""
        self._pending.clear()
        self._current = bytearray(self.durable)

    def aftermaths(self, *, samples: int = 12, seed: int = 0) -> Iterator[bytes]:
        """Contents a power cut at this moment may leave.

        Every subset of the pending writes when there are at most eight, else
        none, all and random ones; and as many again in which single sectors of
        the writes are lost.
        """
        chance = random.Random(seed)
        for kept in _subsets(self._pending, samples, chance):
            yield self._after(kept)
        sectors = [
            (offset + at, data[at : at + SECTOR])
            for offset, data in self._pending
            for at in range(0, len(data), SECTOR)
        ]
        for kept in _subsets(sectors, samples, chance):
            yield self._after(kept)

    def _after(self, writes: list[tuple[int, bytes]]) -> bytes:
        content = bytearray(self.durable)
        for offset, data in writes:
            content[offset : offset + len(data)] = data
        return bytes(content)

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise HostFailure(f"{length} bytes at {offset} are outside the disk")


def _subsets(
    writes: list[tuple[int, bytes]], samples: int, chance: random.Random
) -> Iterator[list[tuple[int, bytes]]]:
    if len(writes) <= _EXHAUSTIVE:
        for picks in itertools.product((False, True), repeat=len(writes)):
            yield list(itertools.compress(writes, picks))
        return
    yield []
    yield list(writes)
    for _ in range(samples):
        share = chance.random()
        yield [write for write in writes if chance.random() < share]
