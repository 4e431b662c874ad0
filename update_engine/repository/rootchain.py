"""From the root of trust in the image to the newest root a host knows.

Root metadata of version n+1 is trusted when enough keys of version n and of
itself signed it. The chain begins at the root in the image every time, and
every link is verified every time: the state partition can slow a host down,
but it cannot make it trust anybody. A newer image brings a newer beginning and
shortens the chain.

Source: TUF specification 1.0.33, section 5.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from osmodel.faults import UntrustedData
from update_engine.repository.keys import check_keys_differ


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """A root that was reached from the image's.

    Attributes:
        root: its content.
        raw: its bytes.
        links: bytes of the roots after the image's, by version.
    """

    root: Root
    raw: bytes
    links: Mapping[int, bytes]


def trusted_root(image_root: bytes, later: Mapping[int, bytes]) -> TrustedRoot:
    """Follow the chain as far as it holds.

    Args:
        image_root: root metadata from the image.
        later: candidates by version; whatever does not fit ends the chain.

    Raises:
        UntrustedData: the image's own root is unusable.
    """
    first = _parsed(image_root)
    if first is None or not _signed(first, by=first.signed):
        raise UntrustedData("the root of trust in the image is damaged")
    check_keys_differ(first.signed)
    reached, raw, links = first.signed, image_root, dict[int, bytes]()
    while (candidate := later.get(reached.version + 1)) is not None:
        following = _parsed(candidate)
        if following is None or not follows(reached, following):
            break
        reached, raw = following.signed, candidate
        links[reached.version] = candidate
    return TrustedRoot(reached, raw, links)


def follows(trusted: Root, following: Metadata[Root]) -> bool:
    """Whether ``following`` is the next root after ``trusted``."""
    try:
        check_keys_differ(following.signed)
    except UntrustedData:
        return False
    # TUF 5.3.4 and 5.3.5
    is_signed = _signed(following, by=trusted) and _signed(following, by=following.signed)
    return is_signed and following.signed.version == trusted.version + 1


def _signed(metadata: Metadata[Root], *, by: Root) -> bool:
    try:
        by.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError):
        return False
    return True


def _parsed(raw: bytes) -> Metadata[Root] | None:
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(raw)
    except RepositoryError:
        return None
    return metadata if isinstance(metadata.signed, Root) else None
