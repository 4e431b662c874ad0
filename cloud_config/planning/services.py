"""Settings that reach services by their environment: fleet and flannel.

Source: coreos-cloudinit f1f0405, config/fleet.go and flannel.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloud_config.planning.actions import Action, CommandUnit, PutFile
from cloud_config.planning.facts import Facts
from cloud_config.planning.options import Options
from cloud_config.planning.share import Share, generated

DROP_IN = "20-cloudinit.conf"
"""The name that documents in the wild expect: their own drop-ins sort after it."""
FLEET = "fleet.service"
FLEET_SECRETS = "/etc/fleet/cloud-config.env"
FLANNELD = "flanneld.service"
FLANNEL_OPTIONS = "/run/flannel/options.env"
_FLANNEL_NAMES = {"interface": "IFACE"}


def drop_in(
    unit: str,
    environment: Mapping[str, str],
    origin: str,
    *,
    files: Sequence[str] = (),
    states: Sequence[str] = (),
) -> PutFile:
    """A drop-in that sets a service's environment.

    Args:
        unit: the service.
        environment: by variable.
        origin: the key that asked for it.
        files: environment files that it reads if they are there.
        states: directories below /var/lib that are made for its user.

    Raises:
        InvalidInput: a value cannot be written in a unit file.
    """
    return generated(
        f"/etc/systemd/system/{unit}.d/{DROP_IN}",
        "service-environment.conf",
        origin,
        environment=list(environment.items()),
        files=list(files),
        states=list(states),
    )


def fleet(options: Options, facts: Facts) -> Share:
    """The scheduler's settings, stored for it; its password where only root reads it."""
    origin = options.name
    kept, complaints = options.writable()
    if not kept.values:
        return complaints
    names = {f"FLEET_{key.upper()}": value for key, value in kept.values.items()}
    secret = {name: names.pop(name) for name in ("FLEET_ETCD_PASSWORD",) if name in names}
    files: tuple[Action, ...] = ()
    if secret:
        made = generated(
            FLEET_SECRETS, "environment", origin, 0o600, environment=list(secret.items())
        )
        files = (made,)
    unit = drop_in(FLEET, names, origin, files=[FLEET_SECRETS] if secret else [])
    return Share(files=files, units=(unit,), restarts=restarted(FLEET, origin, facts)) + complaints


def flannel(options: Options, facts: Facts) -> Share:
    """The environment file that flanneld's unit reads."""
    origin = options.name
    kept, complaints = options.writable()
    if not kept.values:
        return complaints
    environment = [
        (f"FLANNELD_{_FLANNEL_NAMES.get(key, key.upper())}", value)
        for key, value in kept.values.items()
    ]
    mode = 0o600 if "etcd_password" in kept.values else 0o644
    made = generated(FLANNEL_OPTIONS, "environment", origin, mode, environment=environment)
    return Share(files=(made,), restarts=restarted(FLANNELD, origin, facts)) + complaints


def restarted(unit: str, origin: str, facts: Facts) -> tuple[Action, ...]:
    """A restart if it runs with older settings; starting it is the document's own wish."""
    if not facts.has_unit(unit):
        return ()
    return (CommandUnit("try-restart", unit, origin, only_if_changed=True),)
