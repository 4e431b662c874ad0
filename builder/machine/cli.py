"""Boots a built image in QEMU and tells how to reach it.

The image is never changed: the machine writes to an overlay that is thrown away
at the end, or kept with --keep. It reaches no network; --forward lets it see
single services of this host.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import platform
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import hosttools, local
from builder.machine import boards
from builder.machine.acceleration import Probe, Verdict, obstacle, remembered
from builder.machine.boards import Board
from builder.machine.console import Report
from builder.machine.guest import Machine, machine
from builder.machine.hardware import Accel
from builder.machine.milestones import Event, Follower, milestone
from builder.machine.options import add_options, hardware
from builder.machine.preparing import check_image
from builder.machine.world import MachineWorld, Tools
from hostio.system.runner import Runner
from hostio.system.spawner import LocalSpawner, Spawner
from osmodel.faults import Fault, InvalidInput

_GIB = 1 << 30
# Linux's name of a processor, and ours.
_ARCHITECTURES = {"aarch64": "arm64"}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="boot-image", description=__doc__)
    add_options(top)
    return top


def choose(wanted: str, world: MachineWorld, scratch: Path, board: Board = Board.PC) -> Verdict:
    """The acceleration to use: as wanted, or by a trial that is remembered.

    Raises:
        InvalidInput: acceleration is wanted where there can be none.
    """
    reason = obstacle(board, world.architecture)
    if wanted == Accel.KVM and reason:
        raise InvalidInput(f"--accel: no kvm for {board}: {reason}", hint="use --accel tcg")
    if wanted != "auto":
        return Verdict(Accel(wanted), "as asked for")
    if reason:
        return Verdict(Accel.TCG, reason)
    spawner = world.tools.spawner(world.spawner, (scratch,))
    probe = Probe(spawner, world.clock, scratch, architecture=world.architecture)
    return remembered(world.cache / "acceleration.json", probe.verdict)


@dataclass(slots=True)
class _Session:
    """One run of the command over one machine."""

    guest: Machine
    world: MachineWorld
    options: argparse.Namespace
    started: float = 0.0
    _printed: int = 0

    def tell(self, name: str, text: str, **facts: object) -> None:
        self._write(Event(name, self.seconds(), text, facts))

    def seconds(self) -> float:
        return self.world.clock.monotonic() - self.started

    def run(self) -> None:
        """Start the machine and stay until it ends or is no longer wanted."""
        follower = Follower(lambda: self.guest.text, self._milestone)
        self.started = self.world.clock.monotonic()
        self.guest.start()
        ready = False

        def look() -> bool:
            nonlocal ready
            follower.look()
            self._console()
            report = self.guest.report()
            if report is not None:
                self._ready(report)
                ready = True
            return report is not None

        timeout = self.options.deadline or self.guest.hardware.traits.boot_timeout
        self.guest.wait_for(look, "to be ready", timeout)
        if self.options.exit_when_ready:
            return
        while self.guest.is_running():
            look()
            self.world.clock.sleep(0.5)
        self.tell("ended", "the machine has switched itself off")

    def _milestone(self, name: str, detail: str) -> None:
        self._write(milestone(name, detail, self.seconds()))

    def _ready(self, report: Report) -> None:
        ssh: Sequence[str] = ()
        text = f"ready: version {report.version}, slot {report.slot}"
        if self.guest.hardware.traits.is_virtual:
            ssh = self.guest.client.command_line()
            text += f"\n{'':11}{shlex.join(ssh)}"
        self.tell("ready", text, status=report.status, ssh=ssh)

    def _console(self) -> None:
        if self.options.console:
            fresh = self.guest.text[self._printed :]
            self._printed += len(fresh)
            sys.stderr.write(fresh)
            sys.stderr.flush()

    def _write(self, event: Event) -> None:
        sys.stdout.write((event.as_json() if self.options.json else event.as_text()) + "\n")
        sys.stdout.flush()


def run(arguments: Sequence[str], world: MachineWorld) -> int:
    """Boot as the arguments say; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        with _directory(options.keep) as directory:
            _boot(options, world, directory)
    except Fault as fault:
        return _failed(fault)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _failed(fault: Fault) -> int:
    sys.stderr.write(f"boot-image: {fault}\n")
    if fault.hint:
        sys.stderr.write(f"  {fault.hint}\n")
    return fault.exit_status


def _boot(options: argparse.Namespace, world: MachineWorld, directory: Path) -> None:
    check_image(options.image)
    wanted = Board(options.machine) if options.machine else None
    board = boards.choose(boards.target_of(options.image), wanted)
    verdict = choose(options.accel, world, directory, board)
    parts = hardware(options, verdict.accel, board)
    size = options.disk_size * _GIB
    with machine(world, options.image, directory, parts, disk_size=size) as guest:
        session = _Session(guest, world, options, world.clock.monotonic())
        text = f"starting {board} with {verdict.accel}: {verdict.reason}"
        facts = {"machine": board, "accel": verdict.accel, "reason": verdict.reason}
        session.tell("start", text, **facts)
        try:
            session.run()
        finally:
            _end(session)


def _end(session: _Session) -> None:
    """Let the guest shut down; a second Ctrl-C cuts it off."""
    if session.guest.is_running() and sys.exc_info()[0] in (None, KeyboardInterrupt):
        session.tell("shutdown", "shutting the machine down (Ctrl-C to cut it off)")
        if not session.guest.shutdown():
            session.tell("cut", "it did not go down by itself and was cut off")


@contextlib.contextmanager
def _directory(kept: Path | None) -> Iterator[Path]:
    """The machine's directory: the kept one, or one that goes away."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="twinkeel-") as name:
        yield Path(name)


@dataclass(frozen=True, slots=True)
class LazyTools:
    """The tools tree of this host, made at its first use.

    Attributes:
        prepared: makes it, or finds it.
    """

    prepared: Callable[[], Tools]

    def runner(self, binds: Iterable[Path] = ()) -> Runner:
        """See :meth:`Tools.runner`."""
        return self.prepared().runner(binds)

    def spawner(self, host: Spawner, binds: Iterable[Path] = ()) -> Spawner:
        """See :meth:`Tools.spawner`."""
        return self.prepared().spawner(host, binds)


def main() -> int:
    """Entry point: builds the real adapters."""
    return run(sys.argv[1:], local_world())


def local_world() -> MachineWorld:
    """This host; its tools tree is made when it is needed and not there."""
    place = local.build_world()

    @functools.cache
    def prepared() -> Tools:
        return hosttools.tree(place)

    return MachineWorld(
        tools=LazyTools(prepared),
        runner=place.runner,
        spawner=LocalSpawner(),
        clock=place.clock,
        cache=place.cache.directory,
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
    )


if __name__ == "__main__":
    sys.exit(main())
