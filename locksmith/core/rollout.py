"""The roll-out of versions over a group: canaries, error budget, halt, resume.

One key per group. It changes with every failure and every decision of an
operator, and for the canaries of a version; not with every host, so that a
thousand hosts can watch it.

A version is halted when as many hosts came back without it as the error budget
says. A halt holds until an operator resumes or abandons the version; it does not
end by itself, and a newer version is not touched by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from locksmith.core.jsonvalues import integer, load, seconds, table, text
from osmodel.faults import InvalidInput, UntrustedData

LARGEST = 1 << 18  # bytes
_FORMAT = 1
_KEPT_RELEASES = 16
_KEPT_MACHINES = 100  # canaries at most, and failed machines that are listed
_LONGEST_SOAK = 7 * 24 * 3600  # seconds
_OWN = ("format", "policy", "halted", "releases")


@dataclass(frozen=True, slots=True)
class Policy:
    """How a new version spreads over the group.

    Attributes:
        canaries: hosts that must have come up well with a version before the others
            may boot it; 0 for none.
        soak_s: seconds that a host must have stayed well before it gives its place on.
        budget: failed hosts that halt a version, at least 1.
    """

    canaries: int = 1
    soak_s: int = 60
    budget: int = 1

    def __post_init__(self) -> None:
        for name, least, most in (
            ("canaries", 0, _KEPT_MACHINES),
            ("soak_s", 0, _LONGEST_SOAK),
            ("budget", 1, _KEPT_MACHINES),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidInput(f"{name}: expected {least} to {most}, got {value}")


class Stage(StrEnum):
    """Whether hosts may boot a version."""

    OPEN = "open"
    HALTED = "halted"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Halt:
    """A decision, by a host or a person.

    Attributes:
        at: seconds since 1970.
        by: host name of who decided.
        reason: one sentence without full stop.
    """

    at: int
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Release:
    """One version in the group.

    Attributes:
        version: as text.
        stage: whether it may be booted.
        well: machines that came up well with it, as many as there are canaries.
        failed: machines that came back without it since it was last resumed.
        decision: the last one about it, ``None`` if there was none.
    """

    version: str
    stage: Stage = Stage.OPEN
    well: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    decision: Halt | None = None


class Leave(StrEnum):
    """Whether a host may go on to boot a version."""

    GRANTED = "granted"
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer for one host and one version.

    Attributes:
        leave: whether.
        reason: one sentence without full stop; empty if granted.
    """

    leave: Leave
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rollout:
    """The value of the key.

    Attributes:
        policy: of the group.
        halted: set while the whole group is halted.
        releases: in the order in which they were first heard of.
        others: fields that are not ours.
    """

    policy: Policy = field(default_factory=Policy)
    halted: Halt | None = None
    releases: tuple[Release, ...] = ()
    others: Mapping[str, object] = field(default_factory=dict)

    def release(self, version: str) -> Release:
        """What is known of ``version``."""
        found = [one for one in self.releases if one.version == version]
        return found[0] if found else Release(version)

    def judge(self, version: str, under_way: int) -> Judgement:
        """Whether one more host may boot ``version``.

        Args:
            version: empty for a plain reboot, which only a halt of the group stops.
            under_way: other hosts that hold a place for it and have not failed.
        """
        if self.halted is not None:
            return Judgement(Leave.LATER, f"the group is halted: {explained(self.halted)}")
        if not version:
            return Judgement(Leave.GRANTED)
        release = self.release(version)
        if release.stage is not Stage.OPEN:
            because = f": {explained(release.decision)}" if release.decision else ""
            return Judgement(Leave.REFUSED, f"version {version} is {release.stage}{because}")
        tried = len(release.well) + under_way
        if len(release.well) < self.policy.canaries <= tried:
            return Judgement(
                Leave.LATER,
                f"{len(release.well)} of {self.policy.canaries} canaries have come up well"
                f" with {version}",
            )
        return Judgement(Leave.GRANTED)

    def with_well(self, version: str, machine: str) -> Rollout:
        """``machine`` runs ``version`` and is well; no change once the canaries are through."""
        release = self.release(version)
        if len(release.well) >= self.policy.canaries or machine in release.well:
            return self
        return self._with(replace(release, well=(*release.well, machine)))

    def with_failure(self, version: str, machine: str, failure: Halt) -> Rollout:
        """``machine`` came back without ``version``; beyond the budget that halts it."""
        release = self.release(version)
        failed = tuple(dict.fromkeys((*release.failed, machine)))[-_KEPT_MACHINES:]
        release = replace(
            release, failed=failed, well=tuple(one for one in release.well if one != machine)
        )
        if release.stage is Stage.OPEN and len(failed) >= self.policy.budget:
            release = replace(release, stage=Stage.HALTED, decision=failure)
        return self._with(release)

    def with_stage(self, version: str, stage: Stage, decision: Halt) -> Rollout:
        """An operator's word on ``version``; opening it forgives its failures."""
        release = replace(self.release(version), stage=stage, decision=decision)
        if stage is Stage.OPEN:
            release = replace(release, failed=())
        return self._with(release)

    def with_halt(self, halted: Halt | None) -> Rollout:
        """The whole group halted, or going on."""
        return replace(self, halted=halted)

    def _with(self, release: Release) -> Rollout:
        known = [one for one in self.releases if one.version != release.version]
        at = next(
            (n for n, one in enumerate(self.releases) if one.version == release.version),
            len(known),
        )
        known.insert(at, release)
        return replace(self, releases=_pruned(known))


def _pruned(releases: list[Release]) -> tuple[Release, ...]:
    """At most so many; open ones go first: forgetting a halt would lift it."""
    while len(releases) > _KEPT_RELEASES:
        open_ones = [one for one in releases[:-1] if one.stage is Stage.OPEN]
        releases.remove(open_ones[0] if open_ones else releases[0])
    return tuple(releases)


def explained(halt: Halt) -> str:
    """Why, and by whom, in a few words."""
    return f"{halt.reason} ({halt.by})" if halt.by else halt.reason


def encode(rollout: Rollout) -> bytes:
    """The value of the key."""
    policy = rollout.policy
    document: dict[str, object] = {
        "format": _FORMAT,
        "policy": {
            "canaries": policy.canaries,
            "soak_s": policy.soak_s,
            "budget": policy.budget,
        },
        "halted": _encode_halt(rollout.halted),
        "releases": [
            {
                "version": one.version,
                "stage": one.stage.value,
                "well": list(one.well),
                "failed": list(one.failed),
                "decision": _encode_halt(one.decision),
            }
            for one in rollout.releases
        ],
    }
    return json.dumps({**document, **rollout.others}, separators=(",", ":")).encode()


def _encode_halt(halt: Halt | None) -> dict[str, object] | None:
    if halt is None:
        return None
    return {"at": halt.at, "by": halt.by, "reason": halt.reason}


def parse(value: bytes) -> Rollout:
    """Read the value of the key.

    Raises:
        UntrustedData: not a roll-out. No machine boots anything then: a halt may have
            been in it.
    """
    what = "the roll-out"
    document = load(value, what, LARGEST)
    if document.get("format") != _FORMAT:
        raise UntrustedData(f"{what}: unknown format {str(document.get('format'))[:20]!r}")
    policy, releases = table(document.get("policy")), document.get("releases")
    if not isinstance(releases, list):
        raise UntrustedData(f"{what}: releases is not a list")
    default = Policy()
    try:
        return Rollout(
            policy=Policy(
                **{
                    name: integer(policy.get(name, getattr(default, name)), f"{what}: {name}")
                    for name in ("canaries", "soak_s", "budget")
                }
            ),
            halted=_parse_halt(document.get("halted")),
            releases=tuple(_parse_release(table(one)) for one in releases),
            others={name: one for name, one in document.items() if name not in _OWN},
        )
    except InvalidInput as error:
        raise UntrustedData(f"{what}: {error}") from error


def _parse_release(fields: Mapping[str, object]) -> Release:
    version, stage = text(fields.get("version")), text(fields.get("stage"))
    if not version or stage not in set(Stage):
        raise UntrustedData(f"the roll-out: a release without version or with stage {stage!r}")
    return Release(
        version,
        Stage(stage),
        _machines(fields.get("well")),
        _machines(fields.get("failed")),
        _parse_halt(fields.get("decision")),
    )


def _parse_halt(value: object) -> Halt | None:
    if value is None:
        return None
    fields = table(value)
    return Halt(seconds(fields.get("at")), text(fields.get("by")), text(fields.get("reason")))


def _machines(value: object) -> tuple[str, ...]:
    found = value if isinstance(value, list) else []
    return tuple(one for one in found if isinstance(one, str))[:_KEPT_MACHINES]
