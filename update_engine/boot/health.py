"""Run the health checks of this boot, and act on what they say.

A check is an executable in ``health.d`` below ``/usr/lib``, ``/etc`` or ``/run``
``update-engine``; all run in the order of their names, each until it ends or
the time that is left for all of them is over. Exit status 0 is healthy; the last
line it prints says why not. Which files count: :mod:`hostio.files.dropins`.

On trial, the check that failed is written down if that is possible, then the
machine reboots, so that the loader lowers the counter. A blessed version stays
up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from hostio.files import dropins
from hostio.system.runner import Command
from osmodel.assessment import Assessment
from osmodel.faults import Fault, HostFailure
from update_engine.core.enginestate import FailedCheck
from update_engine.core.entries import KnownEntry, of_root
from update_engine.core.health import CheckResult, Consequence, Verdict, consequence, verdict
from update_engine.etc import check_accounts
from update_engine.world import EngineWorld

_log = logging.getLogger(__name__)

DROP_INS = "update-engine/health.d"
_LONGEST_MESSAGE = 300  # characters kept of a check's last line


def find_checks(places: Sequence[Path] | None = None) -> list[Path]:
    """The checks in the order they run.

    Raises:
        HostFailure: a directory cannot be read.
    """
    return list(dropins.find(places or dropins.directories(DROP_INS)).values())


def examine(world: EngineWorld, checks: Sequence[Path]) -> Consequence:
    """Run ``checks``, publish the verdict, and reboot if it calls for that.

    Raises:
        HostFailure: as :func:`conclude`.
    """
    ends = world.clock.monotonic() + world.settings.health.deadline_s
    results = [check_accounts(world.etc())]
    for check in checks if results[0].passed else ():
        left = ends - world.clock.monotonic()
        results.append(_run(world, check, left))
        _log.info("check=%s passed=%s %s", check.name, results[-1].passed, results[-1].message)
        if not results[-1].passed:
            break  # one is enough, and the rest could take the whole deadline
    return conclude(world, verdict(results))


def conclude(world: EngineWorld, judged: Verdict) -> Consequence:
    """Act on a verdict; what cannot be stored on the way keeps nothing from happening.

    Raises:
        HostFailure: a failing trial could not be rebooted, not even by force.
    """
    follows = consequence(judged, on_trial=is_on_trial(world))
    if follows is Consequence.PROCEED:
        return follows  # the blessing publishes that it is healthy
    _store(lambda: world.store.publish_verdict(judged))
    failed = judged.failed
    assert failed is not None
    _log.error("unhealthy check=%s message=%s consequence=%s", failed.name, failed.message, follows)
    if follows is Consequence.REBOOT:
        me = world.machine
        record = FailedCheck(me.root_hash, me.boot_id, failed.name, failed.message)
        _store(lambda: world.store.change(lambda state: replace(state, failed_check=record)))
        # A version that cannot be told why it failed must be left all the same.
        world.power.reboot_regardless()
    return follows


def _store(write: Callable[[], object]) -> None:
    try:
        write()
    except Fault as fault:
        _log.error("not stored: %s", fault)


def is_on_trial(world: EngineWorld) -> bool:
    """Whether the loader still counts the running entry.

    From the ESP as seen in this boot; if nothing was seen or published, from a
    look at it; if that fails, from what was armed. Unsure means no: a machine
    that reboots for ever is of no use.
    """
    own = of_root(world.store.entries() or _look(world), world.machine.root_hash)
    if len(own) == 1:
        return own[0].assessment is not Assessment.GOOD
    try:
        armed = world.store.state().armed
    except HostFailure:
        return False
    return armed is not None and armed.root_hash == world.machine.root_hash


def _look(world: EngineWorld) -> tuple[KnownEntry, ...]:
    try:
        with world.lock(), world.boot() as boot:
            return boot.entries()
    except Fault as fault:
        _log.warning("ESP not looked at: %s", fault)
        return ()


def _run(world: EngineWorld, check: Path, left: float) -> CheckResult:
    if left <= 0:
        return CheckResult(check.name, passed=False, message="no time was left to run it")
    try:
        # All output to one stream: that of a failure is in the fault's message.
        argv = ["/bin/sh", "-c", 'exec "$1" >&2', "check", str(check)]
        world.runner.run(Command(argv, timeout=left))
    except HostFailure as fault:
        last = str(fault).strip().splitlines()[-1]
        return CheckResult(check.name, passed=False, message=last[:_LONGEST_MESSAGE])
    return CheckResult(check.name, passed=True)
