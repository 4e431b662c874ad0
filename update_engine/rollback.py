"""Roll back to the other slot because an operator says so."""

from __future__ import annotations

import logging

from update_engine.core.enginestate import Quarantined
from update_engine.core.preflight import Blocked
from update_engine.core.rollback import Rollback, roll_back
from update_engine.world import EngineWorld

_log = logging.getLogger(__name__)


def roll_back_now(world: EngineWorld) -> Rollback | Blocked:
    """Make the other, good version boot next.

    The running version is quarantined before its entry is marked bad: cut between
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
        world.store.change(lambda state: state.with_quarantined(one))
        boot.mark_bad(decision.leaves, boots=1)
    world.reboot_wanted.write("")
    _log.warning("rolled back from=%s to=%s", me.version, decision.version)
    return decision
