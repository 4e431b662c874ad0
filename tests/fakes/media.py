"""Media that are directories."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from osmodel.faults import HostFailure


class RamMedia:
    """Media by label; ``drives`` are in optical drives, ``None`` is an empty one."""

    def __init__(
        self,
        labelled: Mapping[str, Path] | None = None,
        drives: Sequence[Path | None] = (),
        boot: Path | None = None,
    ) -> None:
        self._labelled = dict(labelled or {})
        self._drives = drives
        self._boot = boot
        self.opened_media: list[Path] = []

    def labelled(self, label: str) -> Sequence[Path]:
        return [path for name, path in self._labelled.items() if name.lower() == label.lower()]

    def optical(self) -> Sequence[Path]:
        return [drive or Path("/dev/sr0") for drive in self._drives]

    def boot_partition(self) -> Sequence[Path]:
        return [] if self._boot is None else [self._boot]

    @contextmanager
    def opened(self, node: Path) -> Iterator[Path]:
        if not node.is_dir():
            raise HostFailure(f"mount {node}: No medium found")
        self.opened_media.append(node)
        yield node
