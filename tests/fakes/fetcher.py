"""A fetcher that reads from memory, or changes what another one reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hostio.net.budget import Budget
from hostio.net.fetch import ByteStream, Fetcher, NotFound
from osmodel.faults import TransientFailure


class RamStream:
    """Bytes in memory; breaks after ``breaks_at`` of them if told so."""

    def __init__(self, content: bytes, offset: int = 0, breaks_at: int | None = None) -> None:
        self._content = content
        self._at = offset
        self._breaks_at = breaks_at

    @property
    def total(self) -> int | None:
        return len(self._content)

    def read(self, size: int) -> bytes:
        if self._breaks_at is not None:
            size = min(size, self._breaks_at - self._at)
            if size <= 0:
                raise TransientFailure("the line broke")
        data = self._content[self._at : self._at + size]
        self._at += len(data)
        return data

    def close(self) -> None:
        return


class EndlessStream:
    """Zeros for ever; counts what was taken."""

    total = None

    def __init__(self) -> None:
        self.taken = 0

    def read(self, size: int) -> bytes:
        self.taken += size
        return bytes(size)

    def close(self) -> None:
        return


class RamFetcher:
    """Serves what it is given, by URL; remembers what was asked for."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.asked: list[tuple[str, int]] = []

    def open(self, url: str, offset: int = 0, budget: Budget | None = None) -> ByteStream:
        del budget
        self.asked.append((url, offset))
        if url not in self.files:
            raise NotFound(f"{url}: not here")
        return RamStream(self.files[url], offset)


class Meddler:
    """Between a host and its mirror: answers itself for names that end in a key of ``replies``."""

    def __init__(self, mirror: Fetcher, replies: Mapping[str, Callable[[int], ByteStream]]) -> None:
        self._mirror = mirror
        self._replies = replies
        self.asked: list[tuple[str, int]] = []

    def open(self, url: str, offset: int = 0, budget: Budget | None = None) -> ByteStream:
        self.asked.append((url, offset))
        for ending, reply in self._replies.items():
            if url.endswith(ending):
                return reply(offset)
        return self._mirror.open(url, offset, budget)


def saying(content: bytes) -> Callable[[int], ByteStream]:
    """A reply with these bytes."""
    return lambda offset: RamStream(content, offset)
