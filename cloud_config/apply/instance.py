"""Keeps the user data, which are a secret, and the instance they belong to."""

from __future__ import annotations

from cloud_config.apply.world import ApplyWorld
from cloud_config.state.paths import USER_DATA
from cloud_config.state.stored import Instance
from hostio.files.guardedtree import ROOT, Kind
from osmodel.faults import UntrustedData

_LONGEST = 4 << 20  # bytes; user data are refused long before
_PRIVATE = 0o600


def instance_id(said: str, world: ApplyWorld) -> str:
    """The platform's id, or one that is this disk's alone if it has none."""
    return said or f"machine-{(world.machine_id.read() or '').strip()}"


def stored_instance(world: ApplyWorld) -> Instance:
    """What was configured last; empty if nothing was, or its file is damaged.

    Raises:
        HostFailure: it cannot be read.
    """
    text = world.instance.read()
    if text is None:
        return Instance()
    try:
        return Instance.from_json(text)
    except UntrustedData:
        return Instance()


def stored_user_data(world: ApplyWorld) -> bytes | None:
    """The user data of the stored instance, if it has any.

    Raises:
        HostFailure: they cannot be read.
    """
    if not stored_instance(world).has_user_data:
        return None
    return world.tree.read(str(USER_DATA), _LONGEST)


def keep(instance: Instance, user_data: bytes | None, world: ApplyWorld) -> None:
    """Keep user data and instance; ``None`` leaves the data of the same instance.

    The instance is written last: data without their instance are not used.

    Raises:
        HostFailure: they could not be written.
    """
    before = stored_instance(world)
    has = user_data is not None
    if user_data is not None:
        _keep_data(user_data, world)
    elif before.instance_id != instance.instance_id:
        world.tree.remove(str(USER_DATA))
    else:
        has = before.has_user_data
    kept = Instance(instance.instance_id, instance.source, has)
    if kept != before:
        world.instance.write(kept.as_json())


def _keep_data(user_data: bytes, world: ApplyWorld) -> None:
    found = world.tree.look(str(USER_DATA))
    is_private = found is not None and (found.kind, found.mode) == (Kind.FILE, _PRIVATE)
    if not is_private or world.tree.read(str(USER_DATA), _LONGEST) != user_data:
        world.tree.put(str(USER_DATA), user_data, _PRIVATE, ROOT)
