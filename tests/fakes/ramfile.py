"""A small file in memory that is replaced whole, and can lose power doing so."""

from collections.abc import Iterator

from osmodel.faults import HostFailure
from tests.fakes.ramdisk import Power


class RamFile:
    """The fake of ``hostio.files.statefiles.TextFile``.

    ``full`` makes it refuse every new content, as a full disk does.
    """

    def __init__(self, text: str | None = None, *, power: Power | None = None) -> None:
        self.text = text
        self.writes = 0
        self.full = False
        self._power = power or Power()
        self._under_way: str | None = None

    def read(self) -> str | None:
        return self.text

    def write(self, text: str) -> None:
        if self.full:
            raise HostFailure("No space left on device")
        self._under_way = text
        self._power.use()
        self._under_way = None
        self.text = text
        self.writes += 1

    def remove(self) -> None:
        self._power.use()
        self.text = None

    def aftermaths(self) -> Iterator[str | None]:
        """What the file may hold after a cut at this moment."""
        yield self.text
        if self._under_way is not None:
            yield self._under_way
