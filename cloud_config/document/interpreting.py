"""All the way from the bytes of user data to what they ask for.

This is what the commands and the boot path call; the steps are
:mod:`~cloud_config.document.userdata` (parts),
:mod:`~cloud_config.document.substitution` (addresses) and
:mod:`~cloud_config.document.reading` (one document).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud_config.document.budget import Budget
from cloud_config.document.findings import Finding, Level, in_order
from cloud_config.document.merging import merged
from cloud_config.document.model import Document
from cloud_config.document.reading import read
from cloud_config.document.substitution import substitute, warnings
from cloud_config.document.userdata import PartKind, classify


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What the user data asks for.

    Attributes:
        document: all ``#cloud-config`` parts merged.
        scripts: parts that begin with ``#!``, in order, substituted.
        findings: about all of it, in the order of lines.
        missing_addresses: names of those that are used and not known.
    """

    document: Document
    scripts: tuple[bytes, ...] = field(default=(), repr=False)
    findings: tuple[Finding, ...] = ()
    missing_addresses: frozenset[str] = frozenset()

    @property
    def has_errors(self) -> bool:
        """Whether something was said that cannot be done."""
        return any(finding.level is Level.ERROR for finding in self.findings)


def interpret(data: bytes, addresses: Mapping[str, str]) -> Interpretation:
    """Read user data whatever its form; never raises for what is in it.

    Args:
        data: as the source gave it: a document, a script, gzip or multipart MIME.
        addresses: ``public_ipv4``, ``private_ipv4``, ``public_ipv6`` and
            ``private_ipv6`` as far as known.
    """
    budget = Budget()
    found = classify(data, budget)
    findings = list(found.findings)
    documents: list[Document] = []
    scripts: list[bytes] = []
    missing_addresses: set[str] = set()
    for part in found.parts:
        content, missing = substitute(part.content, addresses)
        missing_addresses.update(missing)
        unknown = warnings(missing)
        if part.kind is PartKind.SCRIPT:
            findings.extend(in_order(unknown, part.line))
            scripts.append(content)
            continue
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + part.line
            findings.append(Finding(line, Level.ERROR, "document is not UTF-8"))
            continue
        reading = read(text, first_line=part.line, budget=budget)
        findings.extend([*in_order(unknown, part.line), *reading.findings])
        documents.append(reading.document)
    return Interpretation(
        merged(documents), tuple(scripts), in_order(findings), frozenset(missing_addresses)
    )
