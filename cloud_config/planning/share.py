"""What one part of a document contributes to the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cloud_config.document.findings import Finding, Level
from cloud_config.planning.actions import Action, PutFile
from cloud_config.planning.escaping import Escaped, encoded, line
from cloud_config.planning.rendering import render
from osmodel.faults import InvalidInput

WHOLE = 0
"""The line of findings that no single line is to blame for."""


@dataclass(frozen=True, slots=True)
class Share:
    """Actions by the phase they belong to; shares add up phase by phase.

    Attributes:
        files: before any unit is touched.
        units: unit files, drop-ins, masks, enabling; before systemd reloads.
        restarts: of services whose settings were generated, after the reload.
        commands: what the document wants started or stopped, at the end.
    """

    files: tuple[Action, ...] = ()
    units: tuple[Action, ...] = ()
    restarts: tuple[Action, ...] = ()
    commands: tuple[Action, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __add__(self, other: Share) -> Share:
        return total((self, other))


def total(shares: Iterable[Share]) -> Share:
    """All of them added up, in order.

    Not by ``+``: a document may have tens of thousands of items, and tuples are
    copied to be joined.
    """
    every = tuple(shares)
    return Share(
        tuple(action for share in every for action in share.files),
        tuple(action for share in every for action in share.units),
        tuple(action for share in every for action in share.restarts),
        tuple(action for share in every for action in share.commands),
        tuple(finding for share in every for finding in share.findings),
    )


def refused(message: str, line_number: int = WHOLE) -> Share:
    """Nothing but an error."""
    return Share(findings=(Finding(line_number, Level.ERROR, message),))


def warned(message: str, line_number: int = WHOLE) -> Share:
    """Nothing but a warning."""
    return Share(findings=(Finding(line_number, Level.WARNING, message),))


def told(message: str, line_number: int = WHOLE) -> Share:
    """Nothing but a remark."""
    return Share(findings=(Finding(line_number, Level.INFO, message),))


def writable(
    values: Mapping[str, str], where: str, check: Callable[[str], Escaped] = line
) -> tuple[dict[str, str], Share]:
    """The settings that can be written, and an error for each other one.

    A value that cannot be written costs itself, not the settings beside it.

    Args:
        values: by key.
        where: the keys' table, for the message.
        check: refuses what the file cannot hold.
    """
    kept: dict[str, str] = {}
    complaints = Share()
    for key, value in values.items():
        try:
            check(value)
        except InvalidInput as fault:
            complaints += refused(f"{where}.{key} {fault}; it is left out")
        else:
            kept[key] = value
    return kept, complaints


def generated(
    path: str, template: str, origin: str, mode: int = 0o644, **values: object
) -> PutFile:
    """A file from a template that is told its origin.

    Raises:
        InvalidInput: see :func:`render`.
    """
    return PutFile(path, render(template, origin=origin, **values), origin, mode)


def verbatim(path: str, content: str, origin: str) -> PutFile:
    """A file whose whole text is the document's own.

    Raises:
        InvalidInput: the text has no bytes.
    """
    return PutFile(path, encoded(content), origin)
