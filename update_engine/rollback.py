"""Go back to the other slot because an operator says so."""

from __future__ import annotations

import logging

from update_engine.core.enginestate import Quarantined
from update_engine.core.preflight import Blocked
from update_engine.core.rollback import Return, roll_back
from update_engine.espreading import remember, system_table
from update_engine.world import World

_log = logging.getLogger(__name__)


def go_back(world: World) -> Return | Blocked:
    """Make the other, proven version boot next.

    The running version is quarantined before its entry is given up: cut between
    the two, the machine stays on it and merely does not install it twice.

    Raises:
        TransientFailure: another update operation is running.
        HostFailure: ESP or state could not be changed.
    """
    me = world.machine
    with world.lock(), world.boot() as boot:
        decision = roll_back(boot.entries(), me.root_hash)
        if isinstance(decision, Blocked):
            return decision
        at = world.now()
        one = Quarantined(str(me.version), me.root_hash, "rolled back by an operator", at)
        world.memory.change(lambda state: state.with_quarantined(one))
        boot.give_up(decision.given_up, starts=1)
        remember(world.memory, system_table(world.disk()), boot.entries(), me.root_hash)
    world.reboot_wanted.write("")
    _log.warning("rolled back from=%s to=%s", me.version, decision.version)
    return decision
