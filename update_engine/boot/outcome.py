"""Find out at each boot what became of the armed version, and remember failures.

A version that failed is quarantined by its root hash, with a reason and with the
journals of its failed boots, before anything else of the engine runs: the next
check must not install it again.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from hostio.system.runner import Command
from osmodel.faults import Fault
from update_engine.bootcontrol.repair import tidy
from update_engine.core.enginestate import Quarantined, Success
from update_engine.core.outcome import Evidence, Failure, Findings, Outcome, assess
from update_engine.world import EngineWorld

_log = logging.getLogger(__name__)

_JOURNAL_LINES = 5000
_JOURNAL_BYTES = 1 << 20  # per boot
_KEPT_RECORDS = 8


def assess_boots(world: EngineWorld) -> Findings:
    """Tidy the ESP, compare what was armed with what runs, act on the difference.

    Raises:
        HostFailure: disk or ESP cannot be read.
        UntrustedData: the partition table is damaged.
    """
    machine = world.machine
    with world.boot() as boot:
        entries = tidy(boot, machine.root_hash)
    state = world.store.state()
    found = assess(
        Evidence(state, world.store.boot_log(), entries, machine.root_hash, machine.boot_id)
    )
    _log.info("assessed outcome=%s failures=%d", found.outcome, len(found.failures))
    for failure in found.failures:
        _quarantine(world, failure)
    _close(world, found.outcome)
    return found


def _close(world: EngineWorld, outcome: Outcome) -> None:
    """Forget what is over."""
    machine = world.machine
    if outcome is Outcome.CAME_UP:
        success = Success(str(machine.version), machine.root_hash, world.now())
        world.store.change(lambda state: state.blessed(success))
    elif outcome in (Outcome.FELL_BACK, Outcome.NOT_ARMED):
        world.store.change(lambda state: replace(state, armed=None, failed_check=None))
    # Whatever was being written when the power failed has no entry: it is nothing.
    world.store.change(lambda state: replace(state, writing=None))


def _quarantine(world: EngineWorld, failure: Failure) -> None:
    at = world.now()
    place = _keep_journals(world, failure, at)
    one = Quarantined(failure.version, failure.root_hash, failure.reason, at, place)
    world.store.change(lambda state: state.with_quarantined(one))
    _log.warning(
        "quarantined version=%s root=%s reason=%s journal=%s",
        *(failure.version, failure.root_hash, failure.reason, place),
    )


def _keep_journals(world: EngineWorld, failure: Failure, at: int) -> str:
    """Copy the failed boots' journals out of rotation; returns where they are.

    A boot that never reached userspace has none; that is no fault, and a
    journal that cannot be kept must not keep the version out of quarantine.
    """
    record = f"{failure.version or 'unknown'}-{at}"
    place = ""
    try:
        summary = f"{failure.version} {failure.root_hash}\n{failure.reason}\n"
        place = world.archive.keep(record, "reason.txt", summary.encode())
        for boot_id in failure.boot_ids:
            if journal := _journal_of(world, boot_id):
                world.archive.keep(record, f"{boot_id}.log", journal)
        world.archive.prune(_KEPT_RECORDS)
    except Fault as fault:
        _log.warning("journals not kept: %s", fault)
    return place


def _journal_of(world: EngineWorld, boot_id: str) -> bytes:
    command = Command(
        [
            "journalctl",
            *("--boot", boot_id.replace("-", ""), "--output", "short-precise"),
            *("--lines", str(_JOURNAL_LINES), "--no-pager", "--quiet"),
        ],
        timeout=60,
    )
    try:
        # The end is what tells why it stopped.
        return world.runner.run(command)[-_JOURNAL_BYTES:]
    except Fault as fault:
        _log.info("no journal boot=%s: %s", boot_id, str(fault).partition("\n")[0])
        return b""
