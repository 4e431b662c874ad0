"""What one part of a document contributes to the plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cloud_config.document.findings import Finding, Level
from cloud_config.planning.actions import Action, PutFile
from cloud_config.planning.escaping import encoded
from cloud_config.planning.rendering import render

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


def error(message: str, line_number: int = WHOLE) -> Share:
    """Nothing but an error."""
    return Share(findings=(Finding(line_number, Level.ERROR, message),))


def warning(message: str, line_number: int = WHOLE) -> Share:
    """Nothing but a warning."""
    return Share(findings=(Finding(line_number, Level.WARNING, message),))


def info(message: str, line_number: int = WHOLE) -> Share:
    """Nothing but a remark."""
    return Share(findings=(Finding(line_number, Level.INFO, message),))


def generated(
    path: str, template: str, origin: str, mode: int = 0o644, **values: object
) -> PutFile:
    """A file from a template that names its origin.

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
