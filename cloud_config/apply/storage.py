"""Data disks: formatted when they are empty, once per instance, and never otherwise."""

from __future__ import annotations

import hashlib

from cloud_config.apply.context import CHANGED, UNCHANGED, Context, Done
from cloud_config.planning.actions import FormatDisk
from cloud_config.state.report import Outcome
from hostio.disk.datadisks import Content
from osmodel.faults import HostFailure, InvalidInput

_MAKING, _MADE = "making ", "made"


def format_disk(action: FormatDisk, context: Context) -> Done:
    """Make the file system if there is nothing, or what a power cut left of ours.

    The new file system's UUID is kept before it is made. A disk without any
    signature on which it was begun was empty, and it is begun again. One that has
    a file system is never formatted, not even with that UUID: if its end could
    not be noted, it may have been in use since. (mke2fs writes the superblock,
    and with it the UUID, after everything else.)

    Raises:
        InvalidInput: the disk holds something else; it was not touched.
        HostFailure: it is missing or could not be formatted.
    """
    digest = hashlib.sha256(action.device.encode(errors="surrogatepass")).hexdigest()
    progress = context.once(f"format-{digest[:16]}")
    said = progress.read() or ""
    if said == _MADE:
        return UNCHANGED
    content = context.world.disks.look(action.device)
    begun = said.removeprefix(_MAKING) if said.startswith(_MAKING) else ""
    if not _may_format(content, begun):
        left = _leave(action, content)
        progress.write(_MADE)
        return left
    identity = begun or context.world.disks.fresh_identity(action.format)
    progress.write(_MAKING + identity)
    context.world.disks.make(action.device, action.format, action.label, identity)
    progress.write(_MADE)
    return CHANGED


def _may_format(content: Content, begun: str) -> bool:
    if content.in_use:
        return False
    return not content.kind and (content.blank or bool(begun))


def _leave(action: FormatDisk, content: Content) -> Done:
    """A disk with the file system that was asked for is as good as formatted."""
    if content.kind == action.format:
        other = action.label and content.label != action.label
        text = f"left, with the label {content.label!r} that it has" if other else "has one already"
        return Done(Outcome.UNCHANGED, text)
    if content.in_use:
        raise HostFailure(f"{action.device} is in use; left as it is")
    what = content.kind or "data of an unknown kind"
    raise InvalidInput(
        f"{action.device} is not empty, it holds {what}; left as it is",
        hint="if nothing on it is needed: wipefs --all, then overwrite its first and last MiB",
    )
