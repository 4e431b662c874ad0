"""Which release this machine may install, and why not the others.

A refusal is a value, not a fault: a repository holds releases for many
machines, and most of them are not for this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from osmodel.release import Release
from osmodel.version import Version


@dataclass(frozen=True, slots=True)
class Host:
    """What an offer is held against.

    Attributes:
        image: image this machine runs.
        architecture: ``x86_64`` or ``arm64``.
        platform: how it boots.
        version: what runs.
        floor: version below which no update goes, or ``None``.
        quarantined: root hashes that failed here, with the reason.
    """

    image: str
    architecture: str
    platform: str
    version: Version
    floor: Version | None = None
    quarantined: Mapping[str, str] = field(default_factory=dict)


class Reason(StrEnum):
    """Why a release is not for this machine; stable, used in JSON output."""

    OTHER_IMAGE = "other-image"
    OTHER_ARCHITECTURE = "other-architecture"
    OTHER_PLATFORM = "other-platform"
    NOT_NEWER = "not-newer"
    BELOW_FLOOR = "below-floor"
    NEEDS_STEP = "needs-an-intermediate-version"
    QUARANTINED = "quarantined"


OTHER_MACHINE = frozenset({Reason.OTHER_IMAGE, Reason.OTHER_ARCHITECTURE, Reason.OTHER_PLATFORM})
"""No version of such a release will ever fit."""


@dataclass(frozen=True, slots=True)
class Accept:
    """The release may be installed."""

    release: Release


@dataclass(frozen=True, slots=True)
class Refusal:
    """The release may not be installed.

    Attributes:
        release: the release in question.
        reason: for programs.
        text: for people; a sentence without full stop.
    """

    release: Release
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The best release for this machine, and what was refused on the way."""

    release: Release | None
    refused: tuple[Refusal, ...] = ()


def judge(release: Release, host: Host) -> Accept | Refusal:
    """Hold one release against this machine.

    The order matters for the text a person sees: what can never fit is said
    before what does not fit today.
    """
    for reason, text in _objections(release, host):
        if text:
            return Refusal(release, reason, text)
    return Accept(release)


def choose(releases: Iterable[Release], host: Host) -> Choice:
    """The newest release that may be installed."""
    judged = [judge(release, host) for release in releases]
    accepted = [one.release for one in judged if isinstance(one, Accept)]
    refused = tuple(one for one in judged if isinstance(one, Refusal))
    return Choice(max(accepted, key=lambda release: release.version, default=None), refused)


def _objections(release: Release, host: Host) -> Iterable[tuple[Reason, str]]:
    """Every rule with its objection, empty when it has none."""
    version = release.version
    yield Reason.OTHER_IMAGE, _differs("image", release.image, host.image)
    yield Reason.OTHER_ARCHITECTURE, _differs("machine", release.architecture, host.architecture)
    yield Reason.OTHER_PLATFORM, _differs("platform", release.platform, host.platform)
    older = version <= host.version
    yield Reason.NOT_NEWER, f"{version} is not newer than {host.version}, which runs" * older
    below = host.floor is not None and version < host.floor
    yield Reason.BELOW_FLOOR, f"{version} is below {host.floor}, which ran here well" * below
    step = release.min_version is not None and host.version < release.min_version
    yield (
        Reason.NEEDS_STEP,
        f"{version} can only follow {release.min_version} or later, {host.version} runs" * step,
    )
    failure = host.quarantined.get(release.root_hash)
    yield (
        Reason.QUARANTINED,
        f"{version} is quarantined on this machine: {failure}" if failure is not None else "",
    )


def _differs(what: str, theirs: str, ours: str) -> str:
    return "" if theirs == ours else f"it is for {what} {theirs}, this is {ours}"
