"""Units that a document starts, enables or extends and that are not there to be.

A document written for another system names what that system had. systemd would
say so at the start, one failed job at a time; here it is said before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloud_config.document.findings import Finding, Level
from cloud_config.document.model import Document, Unit
from cloud_config.planning.etcd import OLD_UNIT
from cloud_config.planning.etcd import UNIT as ETCD
from cloud_config.planning.facts import Facts
from cloud_config.planning.quadlets import PLACE as QUADLETS
from cloud_config.planning.quadlets import service_of
from cloud_config.planning.unitnames import from_path, is_network
from osmodel.faults import InvalidInput

_CONTAINERS = "containers are quadlets here, see podman.quadlets"
_GONE = {
    "docker.service": _CONTAINERS,
    "docker.socket": _CONTAINERS,
    "early-docker.service": _CONTAINERS,
    "containerd.service": _CONTAINERS,
    "rkt-api.service": _CONTAINERS,
    "fleet.service": "the scheduler is not part of any image",
    "fleet.socket": "the scheduler is not part of any image",
    "flanneld.service": "flannel is not part of any image; run it by a quadlet",
    "flannel-docker-opts.service": "flannel is not part of any image; run it by a quadlet",
    "sshd.service": "it is called ssh.service here",
    "sshd.socket": "sshd is started by ssh.service here",
    "ntpd.service": "the time is set by systemd-timesyncd.service, see ntp",
    "vmtoolsd.service": "guests of VMware are asked without it",
    "iptables-restore.service": "write rules by a unit of the document",
    "ip6tables-restore.service": "write rules by a unit of the document",
}
"""Units of CoreOS that no image has, and what takes their place."""
_OF_IMAGES = frozenset(
    {
        ETCD,
        OLD_UNIT,
        "getty@.service",
        "locksmithd.service",
        "podman-auto-update.timer",
        "podman.socket",
        "serial-getty@.service",
        "ssh.service",
        "tmp.mount",
        "update-engine.service",
    }
)
"""What can be counted on where the image is not known; so can all of systemd."""
_DYNAMIC = (".slice", ".scope", ".device")
_UNITS = ("/etc/systemd/system/", "/run/systemd/system/")


def absent(document: Document, facts: Facts) -> Iterator[Finding]:
    """A warning for each such unit; where the image is not known, a remark.

    Args:
        document: what it brings itself counts, in whichever way.
        facts: of the machine; ``units`` may be unknown.
    """
    brought = frozenset(_brought(document))
    for unit in document.coreos.units:
        wanted = _wanted(unit)
        if not wanted or _is_among(unit.name, brought):
            continue
        if unit.name == OLD_UNIT and facts.has_unit(ETCD):
            continue
        if finding := _finding(unit, wanted, facts):
            yield finding


def _finding(unit: Unit, wanted: str, facts: Facts) -> Finding | None:
    advice = f": {_GONE[unit.name]}" if unit.name in _GONE else ""
    start = f"coreos.units: {unit.name} is {wanted}, but"
    if facts.units is None:
        if unit.name in _GONE:
            message = f"{start} the document does not bring it and no image has it{advice}"
            return Finding(unit.line, Level.WARNING, message, "")
        if _is_among(unit.name, _OF_IMAGES) or unit.name.startswith("systemd-"):
            return None
        message = (
            f"{start} the document does not bring it; "
            "`cloud-config plan` on the machine knows whether the image has it"
        )
        return Finding(unit.line, Level.INFO, message, "")
    if _is_among(unit.name, facts.units):
        return None
    message = f"{start} neither the document nor this image has it{advice}"
    return Finding(unit.line, Level.WARNING, message, "")


def _wanted(unit: Unit) -> str:
    """What the document does with a unit that it does not bring in this place."""
    if unit.content or unit.mask or is_network(unit.name) or unit.name.endswith(_DYNAMIC):
        return ""
    words = ["enabled"] if unit.enable else []
    words += [_DONE.get(unit.command, f"asked to {unit.command}")] if unit.command else []
    words += ["extended"] if any(item.content for item in unit.drop_ins) else []
    return " and ".join(words)


_DONE = {"start": "started", "stop": "stopped", "restart": "restarted", "reload": "reloaded"}


def _brought(document: Document) -> Iterator[str]:
    """Names of all units that come with the document."""
    yield from (unit.name for unit in document.coreos.units if unit.content)
    yield from (from_path(item.path, "mount") for item in document.filesystems if item.path)
    for quadlet in document.quadlets:
        yield from _services(quadlet.name, quadlet.content)
    for file in document.write_files:
        directory, _, name = file.path.rpartition("/")
        if f"{directory}/" in _UNITS:
            yield name
        elif directory == QUADLETS:
            yield from _services(name, file.content.decode(errors="replace"))


def _services(name: str, content: str) -> Iterator[str]:
    try:
        yield service_of(name, content)
    except InvalidInput:
        return


def _is_among(name: str, names: Iterable[str]) -> bool:
    """Whether a unit, or the template that it is an instance of, is among these."""
    stem, at, rest = name.partition("@")
    template = f"{stem}@.{rest.rpartition('.')[2]}" if at else name
    return name in names or template in names
