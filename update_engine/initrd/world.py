"""What the initrd needs from outside, and where things lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from hostio.disk.devmapper import Mapper
    from hostio.disk.sysfs import SysBlock
    from hostio.system.clock import Clock
    from hostio.system.programs import Programs
    from hostio.system.syscalls import Mounts
    from update_engine.initrd.modules import Modules

ERROR = 3
NOTICE = 5
INFO = 6


class Journal(Protocol):
    """Port for the kernel's log, which journald reads later."""

    def say(self, message: str, level: int = INFO) -> None:
        """Write one line; errors also reach the console."""
        ...

    def show(self, message: str) -> None:
        """Write one line that is on the console as well."""
        ...


class Paths(NamedTuple):
    """Where the initrd finds and puts things; tests use a directory instead of /."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    dev: Path = Path("/dev")
    run: Path = Path("/run")
    root: Path = Path("/sysroot")

    @property
    def state(self) -> Path:
        """Where the state partition is mounted until the root is."""
        return self.run / "twinkeel/state"

    @property
    def esp(self) -> Path:
        """Where the ESP is mounted, if at all."""
        return self.run / "twinkeel/esp"


class InitrdWorld(NamedTuple):
    """Every port of the initrd."""

    mounts: Mounts
    mapper: Mapper
    modules: Modules
    programs: Programs
    block: SysBlock
    clock: Clock
    journal: Journal
    paths: Paths = Paths()
