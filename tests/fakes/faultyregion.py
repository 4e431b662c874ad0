"""Space whose medium refuses one operation."""

from hostio.files.preallocated import Region
from osmodel.faults import HostFailure


class FaultyRegion:
    """Passes everything on, but fails one operation.

    Args:
        region: what lies below.
        fails_at: number of the operation (from 0), reads included.
        torn: whether a write that fails has changed its first half.
    """

    def __init__(self, region: Region, fails_at: int, *, torn: bool) -> None:
        self.operations = 0
        self._region = region
        self._fails_at = fails_at
        self._torn = torn

    @property
    def size(self) -> int:
        return self._region.size

    def read(self, offset: int, length: int) -> bytes:
        self._use()
        return self._region.read(offset, length)

    def write(self, offset: int, data: bytes) -> None:
        try:
            self._use()
        except HostFailure:
            if self._torn:
                self._region.write(offset, data[: len(data) // 2])
            raise
        self._region.write(offset, data)

    def flush(self) -> None:
        self._use()
        self._region.flush()

    def drop_cache(self) -> None:
        """What is not durable is lost: the kernel takes dirty pages for clean after EIO."""
        self._use()
        self._region.forget()  # type: ignore[attr-defined]  # only RamDisk is wrapped

    def _use(self) -> None:
        self.operations += 1
        if self.operations - 1 == self._fails_at:
            raise HostFailure("Input/output error")
