"""What lies at a path, by the fingerprints of the record."""

from __future__ import annotations

from cloud_config.planning.record import of_digest, of_link
from hostio.files.guardedtree import Entry, Kind


def of_entry(entry: Entry | None) -> str:
    """The fingerprint of what is there; empty if nothing is."""
    if entry is None:
        return ""
    if entry.kind is Kind.FILE:
        return of_digest(entry.digest)
    return of_link(entry.target) if entry.kind is Kind.LINK else str(entry.kind)
