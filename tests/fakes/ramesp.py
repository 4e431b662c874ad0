"""An ESP in memory whose power can be cut, with everything FAT may then show."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hostio.disk.esp import Esp
from osmodel.faults import HostFailure
from tests.fakes.ramdisk import Power

Files = dict[str, bytes]
_TORN_AT = 8  # bytes: between a checksum and what it is about


class RamEsp:
    """Entries and one staged file, as a FAT file system keeps them.

    Args:
        files: content of ``EFI/Linux``.
        small: content of the top directory.
        capacity: bytes for entries and the staged file together.
        power: shared with the other media of the machine.
    """

    def __init__(
        self,
        files: Files | None = None,
        *,
        small: Files | None = None,
        capacity: int = 1 << 20,
        power: Power | None = None,
    ) -> None:
        self.files = dict(files or {})
        self.small = dict(small or {})
        self.staged: bytes | None = None
        self.sealed = False
        self.changes = 0
        self._capacity = capacity
        self._power = power or Power()
        self._under_way: Callable[[], object] | None = None
        self._torn: Files = {}

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
        return self._capacity - sum(map(len, self.files.values())) - len(self.staged or b"")

    def rename(self, old: str, new: str) -> None:
        content = self._file(old)
        self._refuse_taken(new)

        def change() -> None:
            del self.files[old]
            self.files[new] = content

        self.change(change)

    def remove(self, name: str) -> None:
        self.change(lambda: self.files.pop(name, None))

    def small_file(self, name: str) -> bytes | None:
        return self.small.get(name)

    def overwrite(self, name: str, content: bytes) -> None:
        before = self.small.get(name, b"")
        self._torn = {name: content[:_TORN_AT] + before[_TORN_AT:]}
        self.change(lambda: self.small.update({name: content}))
        self._torn = {}

    def sweep(self) -> None:
        self.change(self._drop_staged)

    def stage(self) -> "RamStaged":
        self.staged = b""
        self.sealed = False
        return RamStaged(self)

    def change(self, change: Callable[[], object]) -> None:
        """Do a directory operation; the one a cut interrupts may be done or not."""
        self._under_way = change
        self.use_power()
        self._under_way = None
        change()
        self.changes += 1

    def use_power(self) -> None:
        self._power.use("esp")

    def aftermaths(self) -> Iterator[tuple[Files, Files]]:
        """What ``EFI/Linux`` and the top directory may hold after a cut at this moment.

        A small file that is being written may hold anything: here the head of
        the new content before the rest of the old, or nothing.
        """
        yield dict(self.files), dict(self.small)
        for name, torn in self._torn.items():
            yield dict(self.files), self.small | {name: torn}
            yield dict(self.files), self.small | {name: b""}
        if self._under_way is not None:
            self._under_way()
            yield dict(self.files), dict(self.small)

    def place(self, name: str) -> None:
        self._refuse_taken(name)
        assert self.staged is not None
        content = self.staged

        def change() -> None:
            self.files[name] = content
            self._drop_staged()

        self.change(change)

    def _drop_staged(self) -> None:
        self.staged = None

    def _refuse_taken(self, name: str) -> None:
        if name in self.files:
            raise HostFailure(f"ESP: {name} is already there")

    def _file(self, name: str) -> bytes:
        if name not in self.files:
            raise HostFailure(f"ESP: {name}: No such file or directory")
        return self.files[name]


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
        self._esp.use_power()
        self._esp.staged += bytes(data)

    def close(self) -> None:
        self._esp.use_power()
        self._esp.sealed = True

    def read(self, offset: int, length: int) -> bytes:
        assert self._esp.staged is not None
        assert self._esp.sealed
        return self._esp.staged[offset : offset + length]

    def place(self, name: str) -> None:
        assert self._esp.sealed
        self._esp.place(name)

    def discard(self) -> None:
        self._esp.staged = None
