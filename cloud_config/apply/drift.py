"""How /etc differs from the image, and from what was written for the document. Pure.

Three states of each path are compared: the image's, what cloud-config wrote
(its fingerprint is in the record) and what is there. Outside /etc only the
files of the record are looked at: everything else there is the users' own data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cloud_config.apply.entries import of_entry
from cloud_config.planning.record import Record, Written
from hostio.files.guardedtree import Entry


class Drift(StrEnum):
    """What became of a path."""

    CONFIGURED = "configured"  # as cloud-config wrote it
    EDITED = "edited"  # written by cloud-config, changed since
    MISSING = "missing"  # written by cloud-config, gone since
    ADDED = "added"  # by hand: the image has none
    CHANGED = "changed"  # by hand: the image has another one
    DELETED = "deleted"  # by hand: the image has one
    MACHINE = "machine"  # made by the system itself, at its first start or later


BY_HAND = frozenset({Drift.EDITED, Drift.MISSING, Drift.ADDED, Drift.CHANGED, Drift.DELETED})

# What a machine makes for itself below /etc. Users are kept in files that the
# document, an operator and systemd-sysusers all change: they count as the machine's.
_MACHINE = re.compile(
    r"/etc/(machine-id|machine-info|adjtime|ld\.so\.cache|\.updated|\.pwd\.lock"
    r"|(passwd|group|shadow|gshadow|subuid|subgid)-?"
    r"|ssh/ssh_host_[a-z0-9]+_key(\.pub)?"
    r"|credstore(\.encrypted)?/.*"
    r"|systemd/(system|user)/([^/]+\.(wants|requires|upholds)/)?[^/]+)"
)


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """A path that is not as in the image.

    Attributes:
        origin: key of the document; empty for what cloud-config did not write.
        what: what is different if it is not the content.
    """

    path: str
    drift: Drift
    origin: str = ""
    what: str = ""


def differences(
    image: Mapping[str, Entry], present: Mapping[str, Entry], record: Record
) -> tuple[Difference, ...]:
    """All that is not as the image has it, and all that is not as we wrote it.

    Args:
        image: files and links of the image's /etc.
        present: those of this machine's, and the files of the record elsewhere.
        record: what cloud-config wrote.
    """
    found = []
    for path in sorted({*image, *present, *record.files}):
        before, after = image.get(path), present.get(path)
        if (written := record.files.get(path)) is not None:
            found.append(_of_ours(path, written, after))
        elif (other := _of_others(path, before, after)) is not None:
            found.append(other)
    return tuple(found)


def _of_ours(path: str, written: Written, after: Entry | None) -> Difference:
    if after is None:
        return Difference(path, Drift.MISSING, written.origin)
    ours = written.may_be(of_entry(after))
    return Difference(path, Drift.CONFIGURED if ours else Drift.EDITED, written.origin)


def _of_others(path: str, before: Entry | None, after: Entry | None) -> Difference | None:
    if before is None:
        made = _MACHINE.fullmatch(path) and _looks_made(path, after)
        return Difference(path, Drift.MACHINE if made else Drift.ADDED)
    if after is None:
        return Difference(path, Drift.DELETED)
    if of_entry(before) != of_entry(after):
        return Difference(path, Drift.MACHINE if _MACHINE.fullmatch(path) else Drift.CHANGED)
    if (before.mode, before.owner) != (after.mode, after.owner):
        return Difference(path, Drift.CHANGED, what="mode or owner")
    return None


def _looks_made(path: str, after: Entry | None) -> bool:
    """Units are enabled by links; a unit file or a mask was put there by hand."""
    if not path.startswith("/etc/systemd/"):
        return True
    return after is not None and bool(after.target) and after.target != "/dev/null"
