"""A board's boot files in memory, whose power can be cut."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from osmodel.faults import HostFailure
from tests.fakes.ramdisk import Power


class RamFirmwareFiles:
    """Files in the top directory, and those staged below it.

    Args:
        files: what the board has.
        capacity: bytes for all of them together.
        power: every write and every rename uses it.
        loses: name of a file whose staged content the medium garbles.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        capacity: int = 64 << 20,
        power: Power | None = None,
        loses: str = "",
    ) -> None:
        self.files = dict(files)
        self.staged: dict[str, bytes] = {}
        self.replaced: list[str] = []
        self._capacity = capacity
        self._power = power or Power()
        self._loses = loses

    @contextmanager
    def mounted(self) -> Iterator["RamFirmwareFiles"]:
        yield self

    def sizes(self) -> Mapping[str, int]:
        return {name: len(content) for name, content in sorted(self.files.items())}

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise HostFailure(f"boot files: read {name}: No such file or directory")
        return self.files[name]

    def free_bytes(self) -> int:
        return self._capacity - sum(map(len, (*self.files.values(), *self.staged.values())))

    def stage(self, name: str, content: bytes) -> None:
        self._power.use()
        if len(content) > self.free_bytes():
            raise HostFailure(f"boot files: write {name}: No space left on device")
        if name == self._loses:
            raise HostFailure(f"boot files: {name} reads back differently")
        self.staged[name] = content

    def place(self, names: Sequence[str]) -> None:
        for name in names:
            self._power.use()
            self.files[name] = self.staged.pop(name)
            self.replaced.append(name)

    def sweep(self) -> None:
        self._power.use()
        self.staged.clear()
