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
from builder.machine.world import World
from hostio.system.clock import SystemClock
from osmodel.faults import Fault, HostFailure
from osmodel.platforms import Platform, Target, check
from tests.checkout import ROOT
from tests.qemu.diary import Diary
from tests.qemu.stage import Stage, until_gone
from tests.qemu.workshop import Mirror, Workshop

_DEADLINE = 2400.0  # seconds for the slowest step, falling back from three bad starts
_INDENT = " " * 11


@dataclass(slots=True)
class Narrator:
    """Tells the story on the terminal, with the time since it began."""

    clock: SystemClock = field(default_factory=SystemClock)
    started: float = field(init=False)
    chapter: int = 0

    def __post_init__(self) -> None:
        self.started = self.clock.monotonic()

    def heading(self, text: str) -> None:
        """A new chapter."""
        self.chapter += 1
        sys.stdout.write(f"\n{self.chapter}. {text}\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """A line, with its time."""
        seconds = self.clock.monotonic() - self.started
        minutes, rest = divmod(int(seconds), 60)
        first, *more = text.strip().splitlines() or [""]
        lines = [f"   {minutes:3d}:{rest:02d}  {first}", *(_INDENT + line for line in more)]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()


def follow(guest: Machine, narrator: Narrator) -> Report:
    """Tell how the machine starts, until it is ready."""
    found: list[Report] = []
    follower = Follower(
        lambda: guest.text, lambda name, detail: narrator.say(milestone(name, detail, 0).text)
    )

    def look() -> bool:
        follower.look()
        report = guest.report()
        if report is not None:
            found.append(report)
        return bool(found)

    guest.wait_for(look, "to be ready", _DEADLINE)
    narrator.say(f"ready: version {found[0].version} runs from slot {found[0].slot}")
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


def tell(stage: Stage, narrator: Narrator) -> None:
    """The story."""
    shop = stage.workshop
    narrator.say(f"it is in {shop.home / 'repository'}, its throw-away keys beside it")
    narrator.heading("Build version 1.0.0, and 1.0.1 that will update it")
    first = shop.build("1.0.0", publishable=False)
    narrator.say(f"built {first}")
    second = shop.build("1.0.1")
    narrator.say(f"built {second}")
    mirror = shop.mirror(stage.directory)
    with stage.machine(first, mirror) as guest:
        narrator.heading("Boot 1.0.0")
        narrator.say(f"QEMU's {stage.board} with {stage.accel.accel}: {stage.accel.reason}")
        guest.start()
        expect(follow(guest, narrator), "1.0.0", "a")
        narrator.say(guest.ssh("update-ctl status"))

        narrator.heading("Publish 1.0.1, signed by two of three keys; the machine updates itself")
        publish(mirror, second, narrator)
        update(guest, narrator)
        expect(follow(guest, narrator), "1.0.1", "b")
        narrator.say(guest.ssh("update-ctl status"))

        narrator.heading("Publish 1.0.2, which is broken: its health check always fails")
        publish(mirror, shop.build("1.0.2", "ill"), narrator)
        update(guest, narrator)
        fall_back(guest, narrator)
        guest.shutdown()


def fall_back(guest: Machine, narrator: Narrator) -> None:
    """Tell how the machine gives up 1.0.2, and what it says about it.

    Raises:
        HostFailure: it runs something else, or would install 1.0.2 again.
    """
    report = follow(guest, narrator)
    expect(report, "1.0.1", "b")
    narrator.heading("It fell back. What does the machine say?")
    narrator.say(guest.ssh("update-ctl status"))
    narrator.say(guest.ssh("update-ctl why"))
    if "1.0.2" not in str(report.status.get("quarantined")):
        raise HostFailure("1.0.2 is not in quarantine")


def publish(mirror: Mirror, release: Path, narrator: Narrator) -> None:
    """Offer a release to the machine."""
    mirror.publish(release)
    narrator.say(f"published {release.name}")


def update(guest: Machine, narrator: Narrator) -> None:
    """Have the machine install what the mirror offers, and restart into it."""
    narrator.say("$ update-ctl apply --reboot")
    until_gone(guest, "update-ctl apply --reboot")
    narrator.say("installed and read back; the machine restarts")


@contextmanager
def staged(world: World, target: Target) -> Iterator[Stage]:
    """A stage for the demo in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="twinkeel-") as name:
        place = Path(name) / "demo"
        place.mkdir()
        workshop = Workshop(ROOT / "out" / "demo", target)
        board = boards.choose(target, None)
        accel = choose("auto", world, place, board)
        diary = Diary(place / "diary.txt")
        yield Stage("demo", workshop, world, board, accel, place, diary)


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
    """Tell the story; 0 if it ended well."""
    narrator = Narrator()
    try:
        target = wanted_target(sys.argv[1:])
        narrator.heading("Make an update repository; two of three keys must sign a release")
        with staged(local_world(), target) as stage:
            tell(stage, narrator)
    except Fault as fault:
        sys.stderr.write(f"demo: {fault}\n")
        if fault.hint:
            sys.stderr.write(f"  {fault.hint}\n")
        return fault.exit_status
    except KeyboardInterrupt:
        return 130
    narrator.say("The machine was built, booted, updated itself and survived a bad update.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
