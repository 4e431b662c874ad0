"""An ESP in memory that can lose power during any operation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hostio.esp import Esp
from osmodel.faults import HostFailure
from tests.fakes.power import Power


class RamEsp:
    """Entries and staged files as a FAT file system keeps them.

    A directory operation cut by power is done or not done, nothing between. A
    staged file that was not sealed keeps any prefix of its bytes. The data is
    in ``files`` (of ``EFI/Linux``) and ``staged``; both outlive a power cut.
    """

    def __init__(
        self,
        files: dict[str, bytes] | None = None,
        *,
        capacity: int = 1 << 20,
        power: Power | None = None,
    ) -> None:
        self.files = dict(files or {})
        self.staged: bytes | None = None
        self.sealed = False
        self.capacity = capacity
        self.power = power or Power()
        self.power.on_cut(self._lose)

    def with_power(self, power: Power) -> "RamEsp":
        """The same medium in a machine that was switched on again."""
        again = RamEsp(self.files, capacity=self.capacity, power=power)
        again.staged = self.staged
        again.sealed = self.sealed
        return again

    @contextmanager
    def mounted(self) -> Iterator[Esp]:
        yield self

    def names(self) -> list[str]:
        return sorted(self.files)

    def size(self, name: str) -> int:
        return len(self._file(name))

    def read(self, name: str, offset: int, length: int) -> bytes:
        return self._file(name)[offset : offset + length]

    def free_bytes(self) -> int:
        return self.capacity - sum(map(len, self.files.values())) - len(self.staged or b"")

    def rename(self, old: str, new: str) -> None:
        content = self._file(old)
        if new in self.files:
            raise HostFailure(f"ESP: {new} is already there")

        def change() -> None:
            del self.files[old]
            self.files[new] = content

        self.change(f"rename {old} {new}", change)

    def remove(self, name: str) -> None:
        self.change(f"remove {name}", lambda: self.files.pop(name, None))

    def sweep(self) -> None:
        def change() -> None:
            self.staged = None

        self.change("sweep", change)

    def stage(self) -> "RamStaged":
        self.staged = b""
        self.sealed = False
        return RamStaged(self)

    def change(self, what: str, change: Callable[[], object]) -> None:
        """Do ``change`` atomically; a cut during it happens before or after it."""
        if self.power.random.random() < 0.5:
            self.power.tick(what)
            change()
        else:
            change()
            self.power.tick(what)

    def _file(self, name: str) -> bytes:
        if name not in self.files:
            raise HostFailure(f"ESP: {name}: No such file or directory")
        return self.files[name]

    def _lose(self) -> None:
        if self.staged is not None and not self.sealed:
            self.staged = self.staged[: self.power.random.randint(0, len(self.staged))]


class RamStaged:
    """The one staged file of a :class:`RamEsp`."""

    def __init__(self, esp: RamEsp) -> None:
        self._esp = esp

    @property
    def size(self) -> int:
        return len(self._esp.staged or b"")

    def write(self, data: bytes) -> None:
        assert self._esp.staged is not None
        assert not self._esp.sealed
        if len(data) > self._esp.free_bytes():
            raise HostFailure("ESP: write the new entry: No space left on device")
        self._esp.staged += bytes(data)
        self._esp.power.tick("stage write")

    def seal(self) -> None:
        self._esp.power.tick("stage seal")
        self._esp.sealed = True

    def read(self, offset: int, length: int) -> bytes:
        assert self._esp.staged is not None
        assert self._esp.sealed
        return self._esp.staged[offset : offset + length]

    def place(self, name: str) -> None:
        if name in self._esp.files:
            raise HostFailure(f"ESP: {name} is already there")
        assert self._esp.staged is not None
        content = self._esp.staged

        def change() -> None:
            self._esp.files[name] = content
            self._esp.staged = None

        self._esp.change(f"place {name}", change)

    def discard(self) -> None:
        self._esp.staged = None
