"""A world in which starting a machine starts nothing."""

from collections.abc import Iterable
from pathlib import Path

from builder.machine.world import MachineWorld
from hostio.system.runner import Command, Runner
from hostio.system.spawner import Spawner
from osmodel.release import Release
from osmodel.releasemanifest import FILE_NAME, ReleaseManifest
from osmodel.version import Version
from tests.fakes.clock import StoppedClock
from tests.fakes.runner import ScriptedRunner
from tests.fakes.spawner import Script, ScriptedSpawner

REPORT = b'{"event":"ready","status":{"version":"1.0.0","slot":"a"}}\n'


def _makes_the_disk(command: Command) -> bytes:
    Path(command.argv[-2]).write_bytes(b"QFI")
    return b""


def _copies(command: Command) -> bytes:
    Path(command.argv[-1]).write_bytes(b"vars")
    return b""


def _makes_a_key(command: Command) -> bytes:
    path = Path(command.argv[-1])
    path.write_text("secret\n")
    path.with_name(f"{path.name}.pub").write_text("ssh-ed25519 AAAA operator\n")
    return b""


class ScriptedTools:
    """A tools tree without a tree."""

    def __init__(self) -> None:
        self.programs = ScriptedRunner(qemu_img=_makes_the_disk, cp=_copies)

    def runner(self, binds: Iterable[Path] = ()) -> Runner:
        del binds
        return self.programs

    def spawner(self, host: Spawner, binds: Iterable[Path] = ()) -> Spawner:
        del binds
        return host


def machine_world(
    tmp_path: Path, script: Script | None = None, *, status: int | None = None
) -> MachineWorld:
    """A world whose QEMU follows ``script`` at each start."""
    return MachineWorld(
        tools=ScriptedTools(),
        runner=ScriptedRunner(ssh_keygen=_makes_a_key, ssh=b"hello\n"),
        spawner=ScriptedSpawner(script, status=status),
        clock=StoppedClock(),
        cache=tmp_path / "cache",
    )


def image(tmp_path: Path, architecture: str = "x86_64", platform: str = "uefi") -> Path:
    """An output directory of ``build-image``, as far as a machine looks at it."""
    directory = tmp_path / "image"
    directory.mkdir()
    release = Release("minimal", architecture, platform, Version.parse("1.0.0"), "ab" * 32)
    (directory / FILE_NAME).write_bytes(ReleaseManifest(release, {}).encode())
    (directory / "disk.raw").write_bytes(bytes(512))
    return directory


def becomes_ready(_: Command, output: Path) -> None:
    """A script: the machine reports at once."""
    with (output.parent / "reports.jsonl").open("ab") as reports:
        reports.write(REPORT)
