"""``make demo``: an operating system is built, boots, updates itself, and survives a bad update.

Every step is the real one: the images are built here, signed with throw-away keys,
served over http and installed by the machine itself. Exit status 0 says that all
of it came out as it should.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from builder.machine import boards
from builder.machine.cli import choose, local_world
from builder.machine.console import Report
from builder.machine.guest import Machine
from builder.machine.milestones import Follower, milestone
from builder.machine.world import MachineWorld
from hostio.system.clock import SystemClock
from osmodel.faults import Fault, HostFailure
from osmodel.platforms import Platform, Target, check
from tests.checkout import ROOT
from tests.qemu.observations import Observations
from tests.qemu.releases import Mirror, Releases
from tests.qemu.testbed import Testbed, run_until_reboot

_DEADLINE = 2400.0  # seconds for the slowest step, falling back from three bad boots
_INDENT = " " * 11


@dataclass(slots=True)
class Output:
    """Prints the steps on the terminal, with the time since the first one."""

    clock: SystemClock = field(default_factory=SystemClock)
    started: float = field(init=False)
    headings: int = 0

    def __post_init__(self) -> None:
        self.started = self.clock.monotonic()

    def heading(self, text: str) -> None:
        """The next step, numbered."""
        self.headings += 1
        sys.stdout.write(f"\n{self.headings}. {text}\n")
        sys.stdout.flush()

    def line(self, text: str) -> None:
        """A line, with its time."""
        seconds = self.clock.monotonic() - self.started
        minutes, rest = divmod(int(seconds), 60)
        first, *more = text.strip().splitlines() or [""]
        lines = [f"   {minutes:3d}:{rest:02d}  {first}", *(_INDENT + line for line in more)]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()


def follow(guest: Machine, output: Output) -> Report:
    """Print how the machine boots, until it is ready."""
    found: list[Report] = []
    follower = Follower(
        lambda: guest.text, lambda name, detail: output.line(milestone(name, detail, 0).text)
    )

    def look() -> bool:
        follower.look()
        report = guest.report()
        if report is not None:
            found.append(report)
        return bool(found)

    guest.wait_for(look, "to be ready", _DEADLINE)
    output.line(f"ready: version {found[0].version} runs from slot {found[0].slot}")
    return found[0]


def expect(report: Report, version: str, slot: str) -> None:
    """Stop the demo if the machine runs something else.

    Raises:
        HostFailure: it does.
    """
    if (report.version, report.slot) != (version, slot):
        raise HostFailure(
            f"expected {version} in slot {slot}, got {report.version} in slot {report.slot}"
        )


def demonstrate(testbed: Testbed, output: Output) -> None:
    """Build, boot, update, and fall back."""
    releases = testbed.releases
    output.line(f"it is in {releases.home / 'repository'}, its throw-away keys beside it")
    output.heading("Build version 1.0.0, and 1.0.1 that will update it")
    first = releases.build("1.0.0", publishable=False)
    output.line(f"built {first}")
    second = releases.build("1.0.1")
    output.line(f"built {second}")
    mirror = releases.mirror(testbed.directory)
    with testbed.machine(first, mirror) as guest:
        output.heading("Boot 1.0.0")
        output.line(f"QEMU's {testbed.board} with {testbed.accel.accel}: {testbed.accel.reason}")
        guest.start()
        expect(follow(guest, output), "1.0.0", "a")
        output.line(guest.ssh("update-ctl status"))

        output.heading("Publish 1.0.1, signed by two of three keys; the machine updates itself")
        publish(mirror, second, output)
        update(guest, output)
        expect(follow(guest, output), "1.0.1", "b")
        output.line(guest.ssh("update-ctl status"))

        output.heading("Publish 1.0.2, which is broken: its health check always fails")
        publish(mirror, releases.build("1.0.2", "unhealthy"), output)
        update(guest, output)
        fall_back(guest, output)
        guest.shutdown()


def fall_back(guest: Machine, output: Output) -> None:
    """Print how the machine gives up 1.0.2, and what it says about it.

    Raises:
        HostFailure: it runs something else, or would install 1.0.2 again.
    """
    report = follow(guest, output)
    expect(report, "1.0.1", "b")
    output.heading("It fell back. What does the machine say?")
    output.line(guest.ssh("update-ctl status"))
    output.line(guest.ssh("update-ctl why"))
    if "1.0.2" not in str(report.status.get("quarantined")):
        raise HostFailure("1.0.2 is not in quarantine")


def publish(mirror: Mirror, release: Path, output: Output) -> None:
    """Publish a release for the machine."""
    mirror.publish(release)
    output.line(f"published {release.name}")


def update(guest: Machine, output: Output) -> None:
    """Have the machine install what the mirror offers, and reboot into it."""
    output.line("$ update-ctl apply --reboot")
    run_until_reboot(guest, "update-ctl apply --reboot")
    output.line("installed and read back; the machine reboots")


@contextmanager
def testbed_for(world: MachineWorld, target: Target) -> Iterator[Testbed]:
    """A testbed for the demo, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="twinkeel-") as name:
        place = Path(name) / "demo"
        place.mkdir()
        releases = Releases(ROOT / "out" / "demo", target)
        board = boards.choose(target, None)
        accel = choose("auto", world, place, board)
        observed = Observations(place / "observed.txt")
        yield Testbed("demo", releases, world, board, accel, place, observed)


def wanted_target(arguments: Sequence[str]) -> Target:
    """The kind of machine the demo is about.

    Raises:
        InvalidInput: there is none with that processor that boots like that.
    """
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--arch", default="", help="x86_64 (the usual one) or arm64")
    parser.add_argument("--platform", default="", help="uefi (the usual one) or raspberrypi")
    options = parser.parse_args(arguments)
    platform = options.platform or Platform.UEFI.value
    usual = "arm64" if platform == Platform.RASPBERRYPI else "x86_64"
    check(options.arch or usual, platform)
    return Target(options.arch or usual, Platform(platform))


def main() -> int:
    """Run the demo; 0 if it ended well."""
    output = Output()
    try:
        target = wanted_target(sys.argv[1:])
        output.heading("Make an update repository; two of three keys must sign a release")
        with testbed_for(local_world(), target) as testbed:
            demonstrate(testbed, output)
    except Fault as fault:
        sys.stderr.write(f"demo: {fault}\n")
        if fault.hint:
            sys.stderr.write(f"  {fault.hint}\n")
        return fault.exit_status
    except KeyboardInterrupt:
        return 130
    output.line("The machine was built, booted, updated itself and survived a bad update.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
