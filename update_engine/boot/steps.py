"""``boot-step``: what the engine does at each boot, one word per step.

``assess``    what became of the armed version; quarantine, tidy the ESP
``health``    run the checks; reboot a failing trial
``deadline``  a boot that came to no verdict in time counts as failed
``bless``     after boot-complete.target: the version is good
``stable``    the boot ended well: it stayed up, or it is shutting down orderly

Several steps can be given to one call: starting Python once is cheaper. A fault
in ``assess`` is written down and does not keep ``health`` from running.
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
from update_engine.world import EngineWorld

_log = logging.getLogger(__name__)

_LOCK_TRIES = 60  # seconds: another program may be looking at the ESP
_MOST_JOBS = 5  # named in the message about a boot that hangs


def assess_step(world: EngineWorld) -> int:
    """Look back at the last boots."""
    from update_engine.boot.outcome import assess_boots  # noqa: PLC0415 - stable needs none

    with _locked(world):
        assess_boots(world)
    return 0


def health_step(world: EngineWorld) -> int:
    """Run the health checks; 1 when the start is not a good one."""
    from update_engine.boot.health import examine, find_checks  # noqa: PLC0415 - stable needs none

    return 0 if examine(world, find_checks()) is Consequence.PROCEED else 1


def deadline_step(world: EngineWorld) -> int:
    """Fail a boot that did not come to a verdict."""
    from update_engine.boot.health import conclude  # noqa: PLC0415 - stable needs none

    if world.store.verdict().health is not Health.PENDING:
        return 0
    late = CheckResult("startup", passed=False, message=f"not complete in time: {_jobs(world)}")
    conclude(world, Verdict(Health.UNHEALTHY, late))
    return 1


def bless_step(world: EngineWorld) -> int:
    """Make the running version good."""
    from update_engine.boot.bless import bless  # noqa: PLC0415 - stable needs none

    try:
        with _locked(world):
            bless(world)
    except Fault as fault:
        unblessed = CheckResult("bless", passed=False, message=str(fault).partition("\n")[0])
        world.store.publish_verdict(Verdict(Health.UNHEALTHY, unblessed))
        raise
    world.store.publish_verdict(Verdict(Health.HEALTHY))
    return 0


def stable_step(world: EngineWorld) -> int:
    """Write down that this boot ended well; only a healthy one can."""
    store, boot_id = world.store, world.machine.boot_id
    if store.boot_log().stage_of(boot_id) is Stage.HEALTHY:
        store.reach(boot_id, Stage.STABLE)
    return 0


STEPS: dict[str, Callable[[EngineWorld], int]] = {
    "assess": assess_step,
    "health": health_step,
    "deadline": deadline_step,
    "bless": bless_step,
    "stable": stable_step,
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="boot-step", description="Steps of the update engine.")
    top.add_argument("steps", nargs="+", choices=STEPS, metavar="STEP", help=", ".join(STEPS))
    return top


def run(arguments: Sequence[str], world: EngineWorld) -> int:
    """Run the steps in order and return the worst exit status."""
    status = 0
    for name in parser().parse_args(arguments).steps:
        try:
            status = max(status, STEPS[name](world))
        except Fault as fault:
            _log.error("step=%s kind=%s %s", name, fault.kind, fault)
            _remember(world, fault)
            # Looking back may fail without this boot being a bad one.
            status = max(status, 0 if name == "assess" else fault.exit_status)
    return status


def _remember(world: EngineWorld, fault: Fault) -> None:
    at = world.now()
    with contextlib.suppress(Fault):
        world.store.change(lambda state: state.with_problem(fault, at))


@contextlib.contextmanager
def _locked(world: EngineWorld) -> Iterator[None]:
    """Hold the engine's lock, waiting for its holder.

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


def _jobs(world: EngineWorld) -> str:
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
    from update_engine.local import local_world  # noqa: PLC0415 - not needed to read the steps

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        world = local_world()
    except Fault as fault:
        sys.stderr.write(f"boot-step: {fault}\n")
        return fault.exit_status
    return run(sys.argv[1:], world)
