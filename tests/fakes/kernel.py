"""A kernel in a directory: disks are files, mounts are links, programs are functions."""

from collections.abc import Callable, Sequence
from pathlib import Path

from hostio.disk.devmapper import Target
from hostio.system.programs import Ended
from osmodel.faults import HostFailure

Program = Callable[[Sequence[str], Path | None], Ended]


class RamKernel:
    """Mounts, mapped devices and programs of a machine that is being started.

    Mounting a device makes its medium, a directory, appear at the mount point.

    Args:
        dev: directory that stands for /dev.
    """

    def __init__(self, dev: Path) -> None:
        self.media: dict[str, Path] = {}
        self.mounted: list[str] = []
        self.options: dict[str, str] = {}
        self.mapped: list[Target] = []
        self.programs: dict[str, Program] = {}
        self.calls: list[tuple[str, ...]] = []
        self.grown: list[int] = []
        self.refuses: set[str] = set()
        self._dev = dev

    def mount(
        self, source: str, target: Path, kind: str, *, flags: int = 0, options: str = ""
    ) -> None:
        if source in self.refuses:
            raise HostFailure(f"mount {source} on {target} as {kind}: Invalid argument")
        self.mounted.append(f"{kind or flags}:{source}:{target}")
        self.options[str(target)] = options
        if medium := self.media.get(source):
            target.parent.mkdir(parents=True, exist_ok=True)
            _clear(target)
            target.symlink_to(medium)
        elif kind == "tmpfs":
            target.mkdir(parents=True, exist_ok=True)

    def unmount(self, target: Path) -> None:
        self.mounted = [line for line in self.mounted if not line.endswith(f":{target}")]
        if target.is_symlink():
            target.unlink()

    def move_mount(self, source: Path, target: Path) -> None:
        self.mounted.append(f"move:{source}:{target}")
        if source.is_symlink():
            _clear(target)
            source.rename(target)

    def grow_ext4(self, target: Path, size: int) -> None:  # noqa: ARG002 - the port's shape
        self.grown.append(size)

    def make_device(self, name: str, uuid: str, target: Target) -> Path:
        if name in self.refuses:
            raise HostFailure(f"device-mapper {target.kind} {name}: Invalid argument")
        assert uuid.startswith("CRYPT-VERITY-")
        self.mapped.append(target)
        return self._dev / "dm-0"

    def run(self, argv: Sequence[str], *, root: Path | None = None, timeout: float = 0.0) -> Ended:
        assert timeout >= 0
        self.calls.append(tuple(argv))
        name = argv[0].rpartition("/")[2]
        if name not in self.programs:
            raise AssertionError(f"unscripted program: {argv}")
        return self.programs[name](argv, root)


def _clear(target: Path) -> None:
    """Mounts of an earlier start are gone; an empty directory gives way."""
    if target.is_symlink():
        target.unlink()
    elif target.is_dir():
        target.rmdir()


class Scroll:
    """A journal that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def say(self, message: str, level: int = 6) -> None:
        self.lines.append((level, message))

    def show(self, message: str) -> None:
        self.say(message)

    def __contains__(self, text: str) -> bool:
        return any(text in line for _, line in self.lines)
