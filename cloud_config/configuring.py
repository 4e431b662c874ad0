"""From what the sources gave to a configured machine.

Apart from the entry point because it loads everything else: a machine that first
has to ask its network would wait for that twice.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cloud_config.apply.apply import Order, apply
from cloud_config.apply.instance import stored_instance, stored_user_data
from cloud_config.apply.world import ApplyWorld
from cloud_config.document.findings import Finding, Level
from cloud_config.machinefacts import read_facts
from cloud_config.planning.actions import PutFile
from cloud_config.planning.metadata import Metadata
from cloud_config.prepare import Prepared, prepare
from cloud_config.sources.choosing import Stage
from cloud_config.sources.gathering import Gathered, with_own_addresses
from cloud_config.state.report import Progress, Report


def configure(
    found: Gathered, stage: Stage, world: ApplyWorld, root: Path, before: Metadata
) -> tuple[Report, bool]:
    """Apply what was found; the second value says that the network stage has to finish it.

    Addresses of this machine may be known only once its network is up. Until then
    everything is written and nothing is started.

    Args:
        found: by the sources; not empty.
        stage: of the start.
        world: the machine.
        root: where its facts are read.
        before: metadata of the last start with a network; its addresses stand in
            until this start's are known, so that files do not change to and fro.

    Raises:
        HostFailure: a fact about the machine cannot be read.
    """
    found = _of_the_same_instance(found, world)
    user_data = _user_data(found, world)
    remarks = _remarks(found)
    prepared = prepare(user_data, read_facts(found.metadata, root, world.image), remarks)
    is_early = stage is Stage.LOCAL and _wants_addresses(prepared, found.metadata)
    if is_early and before.instance_id == found.metadata.instance_id:
        metadata = with_own_addresses(found.metadata, before)
        prepared = prepare(user_data, read_facts(metadata, root, world.image), remarks)
    order = Order(
        # The first run of two does not know all that the document will say in the end.
        (lambda _: prepared.plan.actions) if is_early else prepared.actions,
        found.metadata.instance_id,
        found.source,
        prepared.findings,
        user_data,
        with_commands=not is_early,
    )
    return apply(order, world), is_early


def report_nothing(found: Gathered, world: ApplyWorld) -> Report:
    """Report that sources failed and none gave anything; what was configured before stays.

    Raises:
        HostFailure: the status cannot be written.
    """
    now = world.clock.now().isoformat(timespec="seconds")
    report = Report(Progress.DEGRADED, started=now, finished=now, findings=_remarks(found))
    world.status.write(report.as_json())
    return report


def _wants_addresses(prepared: Prepared, metadata: Metadata) -> bool:
    """Whether the document uses addresses that are not known yet, itself or in a file.

    Units of the time read them from /etc/environment.
    """
    if prepared.interpretation.missing_addresses:
        return True
    if metadata.addresses:
        return False
    files = [action.content for action in prepared.plan.actions if isinstance(action, PutFile)]
    return any(b"/etc/environment" in text or b"COREOS_P" in text for text in files)


def _of_the_same_instance(found: Gathered, world: ApplyWorld) -> Gathered:
    """With the instance id that the source had before, if it cannot be read now.

    Else a broken file of metadata would make the machine another one, and scripts
    and passwords would be done again.
    """
    before = stored_instance(world)
    if not found.is_partial or before.source != found.source or not before.instance_id:
        return found
    return replace(found, metadata=replace(found.metadata, instance_id=before.instance_id))


def _user_data(found: Gathered, world: ApplyWorld) -> bytes | None:
    """The user data found, or those of an earlier start that its source has forgotten."""
    if found.user_data is not None or not found.is_forgetful:
        return found.user_data
    if stored_instance(world).instance_id != found.metadata.instance_id:
        return None
    return stored_user_data(world)


def _remarks(found: Gathered) -> tuple[Finding, ...]:
    # Problems are errors, so that nothing of a former document is taken away: what it
    # asked for may be asked for again by the source that could not be read.
    problems = tuple(Finding(0, Level.ERROR, text) for text in found.problems)
    return problems + tuple(Finding(0, Level.WARNING, text) for text in found.remarks)
