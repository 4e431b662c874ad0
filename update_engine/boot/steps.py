"""``boot-step``: what the engine does at each boot, one word per step.

``assess``    what became of the armed version; quarantine, tidy the ESP
``health``    run the checks; reboot a failing trial
``deadline``  a boot that came to no verdict in time counts as failed
``bless``     after boot-complete.target: the version is good
``stable``    the boot has lasted for a while
``end``       the machine is shutting down in order

Several steps can be given to one call: starting Python once is cheaper. No
step depends on a file that can be written: what cannot be stored is said in
the journal, and what has to happen happens all the same.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence

from hostio.files.dropins import Severity
from hostio.system.runner import Command
from osmodel import bootlog
from osmodel.bootlog import Stage
from osmodel.faults import Fault, TransientFailure
from update_engine.core.health import STARTUP, CheckResult, Consequence, Health, Moment, Verdict
from update_engine.world import EngineWorld

_log = logging.getLogger(__name__)

_LOCK_TRIES = 60  # seconds: another program may be looking at the ESP
_MOST_JOBS = 5  # named in the message about a boot that hangs


def assess_step(world: EngineWorld) -> int:
    """Look back at the last boots."""
    from update_engine.boot.outcome import assess_boots  # noqa: PLC0415 - stable needs none

    for problem in world.problems:
        level = logging.ERROR if problem.severity is Severity.ERROR else logging.WARNING
        _log.log(level, "settings: %s", problem.text)
    with _locked(world):
        try:
            world.store.prepare()
        except Fault as fault:
            # The disk may have room again when something is to be written.
            _log.error("no space for the state: %s", fault)
        assess_boots(world)
    return 0


def health_step(world: EngineWorld) -> int:
    """Run the health checks; 1 when the boot is not a good one."""
    from update_engine.boot.health import conclude, examine, find_checks  # noqa: PLC0415 - as above

    try:
        checks = find_checks()
    except Fault as fault:
        # Checks that cannot be found have not passed.
        failed = CheckResult("health.d", passed=False, message=_first_line(fault))
        conclude(world, Verdict(Health.UNHEALTHY, failed))
        return 1
    return 0 if examine(world, checks) is Consequence.PROCEED else 1


def deadline_step(world: EngineWorld) -> int:
    """Fail a boot that came to no verdict, and end a failed trial that is still up."""
    from update_engine.boot.health import conclude, is_on_trial  # noqa: PLC0415 - as above

    known = world.store.verdict()
    if known.health is Health.HEALTHY:
        return 0
    if known.health is Health.UNHEALTHY:
        if not is_on_trial(world):
            return 0
        _log.error("a failed trial is still up: rebooting again")
    else:
        message = f"not complete in time: {_jobs(world)}"
        known = Verdict(Health.UNHEALTHY, CheckResult(STARTUP, passed=False, message=message))
    conclude(world, known)
    return 1


def bless_step(world: EngineWorld) -> int:
    """Make the running version good."""
    from update_engine import etc  # noqa: PLC0415 - stable needs none
    from update_engine.boot.bless import bless, record  # noqa: PLC0415 - as above

    try:
        with _locked(world):
            bless(world)
    except Fault as fault:
        unblessed = CheckResult("bless", passed=False, message=_first_line(fault))
        _publish(world, Verdict(Health.UNHEALTHY, unblessed))
        raise
    _publish(world, Verdict(Health.HEALTHY))
    # From here on the version is good, whatever can be written about it.
    record(world)
    me, known = world.machine, world.store.state().successes
    first = all(one.root_hash == me.root_hash for one in known)
    etc.record(world.etc(), str(me.version), first=first)
    return 0


def stable_step(world: EngineWorld) -> int:
    """Write down that this boot has lasted."""
    return _mark_stable(world, Moment.AFTER_A_WHILE)


def end_step(world: EngineWorld) -> int:
    """Write down that this boot ends in order."""
    return _mark_stable(world, Moment.ORDERLY_END)


STEPS: dict[str, Callable[[EngineWorld], int]] = {
    "assess": assess_step,
    "health": health_step,
    "deadline": deadline_step,
    "bless": bless_step,
    "stable": stable_step,
    "end": end_step,
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
            world.store.note_problem(fault, world.now())
            # Looking back may fail without this boot being a bad one.
            status = max(status, 0 if name == "assess" else fault.exit_status)
    return status


def _mark_stable(world: EngineWorld, moment: Moment) -> int:
    from update_engine.boot.health import is_on_trial  # noqa: PLC0415 - as above
    from update_engine.core.health import is_stable  # noqa: PLC0415 - as above

    if not is_stable(world.store.verdict(), moment, on_trial=is_on_trial(world)):
        return 0
    boot_id = world.machine.boot_id
    try:
        world.store.reach(boot_id, Stage.STABLE)
    except Fault as fault:
        _log.error("boot log not written: %s", fault)
        # The initrd must not take this boot for a failed one. Where the state
        # cannot be written, one sector of the ESP usually can.
        with _locked(world), world.esp() as esp:
            note = bootlog.parse_note(esp.small_file(bootlog.NOTE)).with_boot(boot_id)
            esp.overwrite(bootlog.NOTE, bootlog.encode_note(note))
    return 0


def _publish(world: EngineWorld, verdict: Verdict) -> None:
    try:
        world.store.publish_verdict(verdict)
    except Fault as fault:
        _log.error("verdict not published: %s", fault)


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
        return _first_line(fault)
    waiting = [fields[1] for line in lines if len(fields := line.split()) > 1]
    return ", ".join(waiting[:_MOST_JOBS]) or "no job is waiting"


def _first_line(fault: Fault) -> str:
    return str(fault).partition("\n")[0]


def main() -> int:
    """Entry point."""
    from hostio.system.commandline import run_program  # noqa: PLC0415 - not to read the steps
    from hostio.system.journal import log_to_journal  # noqa: PLC0415 - as above
    from update_engine.local import local_world  # noqa: PLC0415 - as above

    log_to_journal()
    return run_program("boot-step", lambda: run(sys.argv[1:], local_world()))
