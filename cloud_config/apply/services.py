"""Units: enabled, reloaded, commanded; and scripts, which run as units."""

from __future__ import annotations

import hashlib

from cloud_config.apply.context import CHANGED, SKIPPED, UNCHANGED, Context, Done
from cloud_config.planning.actions import CommandUnit, DisableUnit, EnableUnit, RunScript, StopUnit
from cloud_config.planning.record import Enabled
from cloud_config.state.paths import once_directory
from cloud_config.state.report import Outcome
from hostio.files.guardedtree import ROOT
from osmodel.faults import HostFailure

_IMAGE_UNITS = "/usr/lib/systemd/system"
_MOST_STARTS = 3  # of one script, as for a version that does not come up


def reload_manager(context: Context) -> Done:
    """Once for all unit files that changed since the last time."""
    if not context.is_stale:
        return SKIPPED
    context.world.units.reload()
    context.is_stale = False
    return CHANGED


def enable(action: EnableUnit, context: Context) -> Done:
    """Enable a unit that is not; only then it is ours to disable later."""
    if context.world.units.is_enabled(action.name):
        return UNCHANGED
    # Kept first: after a power cut it would not be known who enabled it.
    context.record = context.record.with_enabled(
        action.name, Enabled(action.origin, action.runtime)
    )
    context.remember()
    context.world.units.enable(action.name, runtime=action.runtime)
    context.is_stale = True
    context.changed.add(action.origin)
    return CHANGED


def disable(action: DisableUnit, context: Context) -> Done:
    """Disable what we enabled."""
    context.world.units.disable(action.name, runtime=action.runtime)
    context.record = context.record.without_enabled(action.name)
    context.is_stale = True
    return CHANGED


def stop(action: StopUnit, context: Context) -> Done:
    """Stop what goes away; what only goes back to the image's file goes on until a restart."""
    if context.world.image_has(f"{_IMAGE_UNITS}/{action.name}"):
        return SKIPPED
    if not context.world.units.is_active(action.name):
        return UNCHANGED
    context.world.units.command("stop", action.name)
    return CHANGED


def command(action: CommandUnit, context: Context) -> Done:
    """Queue the job; wait only for mounts, since files are written into them."""
    if action.only_if_changed and action.origin not in context.changed:
        return SKIPPED
    wait = action.verb == "start" and action.name.endswith(".mount")
    if not context.with_commands and not wait:
        return SKIPPED
    context.world.units.command(action.verb, action.name, wait=wait)
    return CHANGED


def run_script(action: RunScript, context: Context) -> Done:
    """Context a script once per instance.

    Once means: until it ended, however it did. If power fails meanwhile it is
    run again, but not for ever: a script may be what takes the machine down.

    Raises:
        HostFailure: it never came to its end.
    """
    if not context.with_commands:
        return SKIPPED
    name = f"script-{hashlib.sha256(action.content).hexdigest()[:16]}"
    unit = f"cloud-config-{name}.service"
    if context.once(f"{name}.ended").read() is not None or context.world.units.is_active(unit):
        return UNCHANGED
    progress = context.once(f"{name}.starts")
    starts = progress.read() or "0"
    count = int(starts) if starts.isdecimal() else 0
    if count >= _MOST_STARTS:
        raise HostFailure(f"{unit} was started {count} times and never ended; not started again")
    directory = once_directory(context.instance)
    context.world.tree.put(f"{directory}/{name}", action.content, 0o700, ROOT)
    progress.write(str(count + 1))
    script = f"{directory}/{name}"
    context.world.units.start_script(unit, script, f"{script}.ended", "Script of the user data")
    return Done(Outcome.CHANGED, f"started as {unit}")
