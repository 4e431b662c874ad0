"""A small file in memory that is replaced whole, and can lose power doing so."""

from collections.abc import Iterator

from osmodel.faults import HostFailure
from tests.fakes.ramdisk import Power


class RamFile:
    """The fake of ``hostio.files.statefiles.TextFile``.

    ``full`` makes it refuse every new content, as a full disk does.

    Args:
        text: what it holds.
        power: of the machine.
        medium: ``state`` for a file that survives, ``run`` for one that does not.
    """

    def __init__(
        self, text: str | None = None, *, power: Power | None = None, medium: str = "state"
    ) -> None:
        self._medium = medium
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
        self._use()
        self._under_way = None
        self.text = text
        self.writes += 1

    def remove(self) -> None:
        self._use()
        self.text = None

    def prepare(self) -> None:
        """It has all the space there is."""

    def _use(self) -> None:
        if self._medium == "state":
            self._power.use(self._medium)
        else:
            self._power.touch(self._medium)

    def aftermaths(self) -> Iterator[str | None]:
        """What the file may hold after a cut at this moment."""
        yield self.text
        if self._under_way is not None:
            yield self._under_way
