"""Roll back to the other slot because an operator says so.

Nothing changes before the other slot has been read as a whole and found to be
what its root hash says: a version that rotted would be the only one left.
"""

from __future__ import annotations

import logging

from osmodel.faults import Fault
from osmodel.gpt import Gpt
from osmodel.partitions import root_label, slot_of, verity_label
from update_engine.bootcontrol.port import BootControl
from update_engine.core.enginestate import EngineState, Quarantined, Target
from update_engine.core.entries import KnownEntry
from update_engine.core.preflight import Blocked
from update_engine.core.rollback import Rollback, roll_back
from update_engine.install.verify import verify_slot
from update_engine.store import Progress
from update_engine.world import EngineWorld

_log = logging.getLogger(__name__)


def roll_back_now(world: EngineWorld) -> Rollback | Blocked:
    """Make the other version boot next, with tries, if it is whole.

    The running version is quarantined before the loader is told: cut between
    the two, the machine stays on it and merely does not install it twice.

    Raises:
        TransientFailure: another update operation is running.
        HostFailure: ESP or state could not be changed.
        UntrustedData: the partition table is damaged.
    """
    me = world.machine
    with world.lock(), world.boot() as boot:
        state = world.store.state()
        blessed = {one.root_hash for one in state.successes}
        decision = roll_back(boot.entries(), me.root_hash, blessed)
        if isinstance(decision, Blocked):
            return decision
        table = world.disk().table()
        if damage := _damage(world, boot, decision.to, table):
            return Blocked(
                f"{decision.to.version} in the other slot is damaged: {damage}",
                hint="this version stays; install another one with `update-ctl apply`",
            )
        _prepare(world, decision.to, table)
        boot.switch(decision.to, decision.away, boots=1, on_trial=True)
    world.reboot_wanted.write("")
    _log.warning("rolled back from=%s to=%s", me.version, decision.to.version)
    return decision


def _damage(world: EngineWorld, boot: BootControl, to: KnownEntry, table: Gpt) -> str:
    """What is wrong with the other slot; empty if it is whole."""
    slot = slot_of(table, to.root_hash)
    if slot is None:
        return "no slot of the disk holds its root"
    success = world.store.state().success_of(to.root_hash)
    known = success.uki_sha256 if success else ""
    world.store.publish(Progress("UPDATE_STATUS_VERIFYING", to.version, 0, 0.0, world.pid))
    disk = world.disk()
    parts = [table.find(label) for label in (root_label(slot), verity_label(slot))]
    root_number, verity_number = (part.number for part in parts if part is not None)
    try:
        if known and boot.digest(to) != known:
            return "its kernel image is not the one that was good"
        with disk.partition(root_number) as root, disk.partition(verity_number) as verity:
            verify_slot(root, verity, to.root_hash)
    except Fault as fault:
        return str(fault).partition("\n")[0]
    finally:
        world.store.publish_nothing()
    return ""


def _prepare(world: EngineWorld, to: KnownEntry, table: Gpt) -> None:
    me, at = world.machine, world.now()
    one = Quarantined(str(me.version), me.root_hash, "rolled back by an operator", at)
    slot = slot_of(table, to.root_hash) or ""
    target = Target(to.version, to.root_hash, slot, me.boot_id, at)

    def change(state: EngineState) -> EngineState:
        return state.with_quarantined(one).with_armed(target)

    world.store.change(change)
