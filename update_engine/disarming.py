"""Take back what would boot next: an update that was not booted yet, or a rollback."""

from __future__ import annotations

import logging
from dataclasses import replace

from update_engine.bootcontrol.port import BootControl
from update_engine.core.enginestate import EngineState, Target
from update_engine.core.entries import of_root
from update_engine.world import EngineWorld

_log = logging.getLogger(__name__)


def disarm(world: EngineWorld) -> Target | None:
    """Let the running version boot next again; returns what was to boot instead.

    An update is taken off the ESP. The version that a rollback goes back to
    stays: it was good, and one can go back to it later.

    Raises:
        HostFailure: the ESP refused.
    """
    running = world.machine.root_hash
    state = world.store.state()
    target = state.armed
    if target is None or target.root_hash == running:
        return None
    with world.boot() as boot:
        if state.success_of(target.root_hash) is None:
            for one in of_root(boot.entries(), target.root_hash):
                boot.remove(one)
        else:
            _stay(boot, running)

    def change(old: EngineState) -> EngineState:
        kept = tuple(one for one in old.quarantined if one.root_hash != running)
        return replace(old, armed=None, quarantined=kept)

    world.store.change(change)
    _log.info("disarmed version=%s", target.version)
    return target


def _stay(boot: BootControl, running: str) -> None:
    for one in of_root(boot.entries(), running):
        boot.bless(one)
