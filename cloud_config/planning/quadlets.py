"""Containers as quadlets: podman's generator makes services of them at reload.

Source: podman-systemd.unit(5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cloud_config.document.model import NamedText
from cloud_config.planning.actions import Action, CommandUnit
from cloud_config.planning.share import Share, error, total, verbatim
from osmodel.faults import InvalidInput

PLACE = "/etc/containers/systemd"
_NAME = re.compile(
    r"([A-Za-z0-9:_.][A-Za-z0-9:_.@-]*)\.(container|volume|network|pod|kube|image|build)"
)
_SERVICE_NAME = re.compile(r"^ServiceName\s*=\s*([A-Za-z0-9:_.@-]+)\s*$", re.MULTILINE)
# The service of these has the kind in its name.
_SUFFIXED = frozenset({"volume", "network", "pod", "image", "build"})


def quadlets(items: Sequence[NamedText]) -> Share:
    """The files, and the start of their services."""
    return total(map(_quadlet, items))


def _quadlet(item: NamedText) -> Share:
    origin = f"podman.quadlets.{item.name}"
    try:
        service = service_of(item.name, item.content)
        made = verbatim(f"{PLACE}/{item.name}", item.content, origin)
    except InvalidInput as fault:
        return error(f"podman.quadlets: {fault}", item.line)
    return Share(units=(made,), commands=_starting(item, service, origin))


def service_of(name: str, content: str) -> str:
    """The name of the service that the generator makes.

    Raises:
        InvalidInput: no name of a quadlet.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise InvalidInput(f"{name!r} is no name of a quadlet")
    chosen = _SERVICE_NAME.findall(content)
    if chosen:
        return f"{str(chosen[-1]).removesuffix('.service')}.service"
    stem, kind = found.groups()
    return f"{stem}-{kind}.service" if kind in _SUFFIXED else f"{stem}.service"


def _starting(item: NamedText, service: str, origin: str) -> tuple[Action, ...]:
    """A changed one is started anew; one that runs as it should is left alone."""
    if not item.start or service.endswith("@.service"):
        return ()
    return (
        CommandUnit("restart", service, origin, only_if_changed=True),
        CommandUnit("start", service, origin),
    )
