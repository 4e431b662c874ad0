"""What kind of user data a machine was given: its parts, before anything is read from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cloud_config.document.findings import Finding


class PartKind(StrEnum):
    """What a part of the user data is."""

    CLOUD_CONFIG = "cloud-config"
    SCRIPT = "script"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to apply.

    Attributes:
        content: unpacked and decoded, not yet substituted.
        name: file name of a MIME part; empty otherwise.
        line: where the content begins in the user data, counted from 1.
    """

    kind: PartKind
    content: bytes = field(repr=False)
    name: str = ""
    line: int = 1


@dataclass(frozen=True, slots=True)
class UserData:
    """The parts in order, and what was wrong with those that are missing."""

    parts: tuple[Part, ...] = ()
    findings: tuple[Finding, ...] = ()


def classify(data: bytes) -> UserData:
    """Unpack user data: plain, gzip or multipart MIME."""
    del data
    return UserData()
