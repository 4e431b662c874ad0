"""Bless the running version: its tries are no longer counted, the loader keeps it.

The entry is found by content: the one whose kernel image names the running root
hash. The loader's own variable is not asked; it can name another entry after a
kernel image was refused within one session of the firmware. With no such entry,
or two, nothing is blessed: an unblessed good version costs a fall-back, a
blessed bad one costs the machine.
"""

from __future__ import annotations

import logging

from osmodel.assessment import Assessment
from osmodel.bootlog import Stage
from osmodel.faults import HostFailure
from update_engine.bootcontrol.port import BootControl
from update_engine.core.enginestate import Success
from update_engine.core.entries import KnownEntry, of_root
from update_engine.world import EngineWorld

_log = logging.getLogger(__name__)


def bless(world: EngineWorld) -> None:
    """Make the running version good.

    Raises:
        HostFailure: no entry, or more than one, is ours; the ESP refused.
    """
    with world.boot() as boot:
        _drop_counter(boot, world.machine.root_hash)


def record(world: EngineWorld) -> None:
    """Write down that the running version came up; follows the blessing.

    The floor rises here: raised before the counter is gone it could forbid the
    version that the loader falls back to.

    Raises:
        HostFailure: something could not be written; the rest is. The next boot
            makes up for it.
    """
    try:
        _raise_floor(world)
    finally:
        world.store.reach(world.machine.boot_id, Stage.HEALTHY)


def _raise_floor(world: EngineWorld) -> None:
    running = world.machine.root_hash
    success = Success(str(world.machine.version), running, world.now())
    state = world.store.state()
    if state.armed is not None or not state.successes or state.successes[-1].root_hash != running:
        world.store.change(lambda old: old.blessed(success))


def _drop_counter(boot: BootControl, running: str) -> None:
    own = _own(boot, running)
    if own.assessment is Assessment.GOOD:
        return
    boot.bless(own)
    if (blessed := _own(boot, running)).assessment is not Assessment.GOOD:
        raise HostFailure(f"entry {own.name} reads back differently from the ESP")
    _log.info("blessed entry=%s from=%s", blessed.name, own.name)


def _own(boot: BootControl, running: str) -> KnownEntry:
    own = of_root(boot.entries(), running)
    if len(own) != 1 or own[0].assessment is None:
        raise HostFailure(
            f"{len(own)} boot entries carry the running version, expected one: nothing is blessed",
            hint="look at EFI/Linux on the ESP",
        )
    return own[0]
