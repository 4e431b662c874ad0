"""Units: enabled, reloaded, commanded; and scripts, which run as units."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cloud_config.apply.context import CHANGED, SKIPPED, UNCHANGED, Done, Run
from cloud_config.planning.actions import CommandUnit, EnableUnit, RunScript
from cloud_config.state.places import once_directory
from cloud_config.state.record import Enabled
from cloud_config.state.report import Outcome
from hostio.files.guardedtree import ROOT
from osmodel.faults import HostFailure

_IMAGE_UNITS = "/usr/lib/systemd/system"
_MOST_STARTS = 3  # of one script, as for a version that does not come up


@dataclass(frozen=True, slots=True)
class DisableUnit:
    """Take back an :class:`EnableUnit` of a former document."""

    name: str
    runtime: bool
    origin: str


@dataclass(frozen=True, slots=True)
class StopUnit:
    """Stop a unit whose file is taken away, unless the image has one of that name."""

    name: str
    origin: str


def reload_manager(run: Run) -> Done:
    """Once for all unit files that changed since the last time."""
    if not run.is_stale:
        return SKIPPED
    run.world.units.reload()
    run.is_stale = False
    return CHANGED


def enable(action: EnableUnit, run: Run) -> Done:
    """Enable a unit that is not; only then it is ours to disable later."""
    if run.world.units.is_enabled(action.name):
        return UNCHANGED
    # Kept first: after a power cut nobody could tell who enabled it.
    run.record = run.record.with_enabled(action.name, Enabled(action.origin, action.runtime))
    run.remember()
    run.world.units.enable(action.name, runtime=action.runtime)
    run.is_stale = True
    run.changed.add(action.origin)
    return CHANGED


def disable(action: DisableUnit, run: Run) -> Done:
    """Disable what we enabled."""
    run.world.units.disable(action.name, runtime=action.runtime)
    run.record = run.record.without_enabled(action.name)
    run.is_stale = True
    return CHANGED


def stop(action: StopUnit, run: Run) -> Done:
    """Stop what goes away; what only goes back to the image's file goes on until a restart."""
    if run.world.image_has(f"{_IMAGE_UNITS}/{action.name}"):
        return SKIPPED
    if not run.world.units.is_active(action.name):
        return UNCHANGED
    run.world.units.command("stop", action.name)
    return CHANGED


def command(action: CommandUnit, run: Run) -> Done:
    """Queue the job; wait only for mounts, since files are written into them."""
    if action.only_if_changed and action.origin not in run.changed:
        return SKIPPED
    wait = action.verb == "start" and action.name.endswith(".mount")
    if not run.with_commands and not wait:
        return SKIPPED
    run.world.units.command(action.verb, action.name, wait=wait)
    return CHANGED


def run_script(action: RunScript, run: Run) -> Done:
    """Run a script once per instance.

    Once means: until it ended, however it did. If power fails meanwhile it is
    run again, but not for ever: a script may be what takes the machine down.

    Raises:
        HostFailure: it never came to its end.
    """
    if not run.with_commands:
        return SKIPPED
    name = f"script-{hashlib.sha256(action.content).hexdigest()[:16]}"
    unit = f"cloud-config-{name}.service"
    if run.once(f"{name}.ended").read() is not None or run.world.units.is_active(unit):
        return UNCHANGED
    progress = run.once(f"{name}.starts")
    starts = progress.read() or "0"
    count = int(starts) if starts.isdecimal() else 0
    if count >= _MOST_STARTS:
        raise HostFailure(f"{unit} was started {count} times and never ended; not started again")
    directory = once_directory(run.instance)
    run.world.tree.put(f"{directory}/{name}", action.content, 0o700, ROOT)
    progress.write(str(count + 1))
    run.world.units.start_script(unit, f"{directory}/{name}", f"{directory}/{name}.ended")
    return Done(Outcome.CHANGED, f"started as {unit}")
