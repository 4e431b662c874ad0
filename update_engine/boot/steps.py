"""``boot-step``: what the engine does at each start, one word per step.

``reckon``  what became of the armed version; quarantine, tidy the ESP
``health``  run the checks; reboot a failing trial
``overdue`` a start that came to no verdict in time counts as failed
``bless``   after boot-complete.target: the version is proven
``settle``  the start ended well: it stayed up, or it is shutting down orderly

Several steps can be given to one call: starting Python once is cheaper. A fault
in ``reckon`` is written down and does not keep ``health`` from running.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence

from hostio.system.runner import Command
from osmodel.bootlog import Stage
from osmodel.faults import Fault, TransientFailure
from update_engine.core.health import CheckResult, Consequence, Health, Verdict
from update_engine.world import World

_log = logging.getLogger(__name__)

_LOCK_TRIES = 60  # seconds: somebody may be looking at the ESP
_MOST_JOBS = 5  # named in the message about a start that hangs


def reckon_step(world: World) -> int:
    """Look back at the last starts."""
    from update_engine.boot.outcome import settle_accounts  # noqa: PLC0415 - settle needs none

    with _patiently_locked(world):
        settle_accounts(world)
    return 0


def health_step(world: World) -> int:
    """Run the health checks; 1 when the start is not a good one."""
    from update_engine.boot.health import examine, find_checks  # noqa: PLC0415 - settle needs none

    return 0 if examine(world, find_checks()) is Consequence.PROCEED else 1


def overdue_step(world: World) -> int:
    """Give up a start that did not come to a verdict."""
    from update_engine.boot.health import conclude  # noqa: PLC0415 - settle needs none

    if world.memory.verdict().health is not Health.PENDING:
        return 0
    late = CheckResult("startup", passed=False, message=f"not complete in time: {_jobs(world)}")
    conclude(world, Verdict(Health.ILL, late))
    return 1


def bless_step(world: World) -> int:
    """Make the running version proven."""
    from update_engine.boot.bless import bless  # noqa: PLC0415 - settle needs none

    try:
        with _patiently_locked(world):
            bless(world)
    except Fault as fault:
        unblessed = CheckResult("bless", passed=False, message=str(fault).partition("\n")[0])
        world.memory.remember_verdict(Verdict(Health.ILL, unblessed))
        raise
    world.memory.remember_verdict(Verdict(Health.HEALTHY))
    return 0


def settle_step(world: World) -> int:
    """Write down that this start ended well; only a healthy one can."""
    memory, boot_id = world.memory, world.machine.boot_id
    if memory.ledger().stage_of(boot_id) is Stage.HEALTHY:
        memory.reach(boot_id, Stage.SETTLED)
    return 0


STEPS: dict[str, Callable[[World], int]] = {
    "reckon": reckon_step,
    "health": health_step,
    "overdue": overdue_step,
    "bless": bless_step,
    "settle": settle_step,
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="boot-step", description="Steps of the update engine.")
    top.add_argument("steps", nargs="+", choices=STEPS, metavar="STEP", help=", ".join(STEPS))
    return top


def run(arguments: Sequence[str], world: World) -> int:
    """Run the steps in order and return the worst exit status."""
    status = 0
    for name in parser().parse_args(arguments).steps:
        try:
            status = max(status, STEPS[name](world))
        except Fault as fault:
            _log.error("step=%s kind=%s %s", name, fault.kind, fault)
            _remember(world, fault)
            # Looking back may fail without this start being a bad one.
            status = max(status, 0 if name == "reckon" else fault.exit_status)
    return status


def _remember(world: World, fault: Fault) -> None:
    at = world.now()
    with contextlib.suppress(Fault):
        world.memory.change(lambda state: state.with_problem(fault, at))


@contextlib.contextmanager
def _patiently_locked(world: World) -> Iterator[None]:
    """Hold the engine's lock, waiting for whoever has it.

    Raises:
        TransientFailure: it was not given back within a minute.
    """
    with contextlib.ExitStack() as stack:
        for left in reversed(range(_LOCK_TRIES)):
            try:
                stack.enter_context(world.lock())
                break
            except TransientFailure:
                if not left:
                    raise
                world.clock.sleep(1)
        yield


def _jobs(world: World) -> str:
    """What systemd is still waiting for, in a few words."""
    command = Command(["systemctl", "list-jobs", "--no-legend", "--plain"], timeout=30)
    try:
        lines = world.runner.run(command).decode(errors="replace").splitlines()
    except Fault as fault:
        return str(fault).partition("\n")[0]
    waiting = [fields[1] for line in lines if len(fields := line.split()) > 1]
    return ", ".join(waiting[:_MOST_JOBS]) or "no job is waiting"


def main() -> int:
    """Entry point."""
    from update_engine.cli import real_world  # noqa: PLC0415 - not needed to read the steps

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        world = real_world()
    except Fault as fault:
        sys.stderr.write(f"boot-step: {fault}\n")
        return fault.exit_status
    return run(sys.argv[1:], world)
