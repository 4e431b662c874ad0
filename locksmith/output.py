"""What ``locksmithctl`` prints about a group, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from locksmith.core.group import Group
from locksmith.core.rollout import Stage, explained
from locksmith.core.semaphore import Holder
from locksmith.core.waiting import Waiter


def details(group: Group, waiters: Sequence[Waiter], now: int) -> list[str]:
    """Lines about who holds, who waits, and what is halted."""
    lines = []
    places = group.semaphore
    for machine in places.holders:
        known = places.details.get(machine, Holder())
        lines.append(f"\n{machine}: held by {known.host or 'a machine of unknown name'}")
        lines.append(f" since {moment(known.since)}{_age(known.since, now)}")
        if known.to_version:
            lines.append(f", going from {known.from_version or 'unknown'} to {known.to_version}")
        lines.append(f"; {known.failed}\n" if known.failed else "\n")
    for place, one in enumerate(waiters, 1):
        wants = f"wants to boot {one.to_version}" if one.to_version else "wants to reboot"
        lines.append(f"\nWaiting {place}: {one.host or one.machine} {wants}")
        lines.append(f" since {moment(one.since)}\n")
    if group.rollout.halted:
        lines.append(f"\nThe group is halted: {explained(group.rollout.halted)}\n")
    for release in group.rollout.releases:
        if release.stage is not Stage.OPEN and release.decision:
            lines.append(f"\nVersion {release.version} is {release.stage}: ")
            lines.append(f"{explained(release.decision)}\n")
    return lines


def as_json(group: Group, waiters: Sequence[Waiter]) -> dict[str, object]:
    """The same as plain values."""
    places, rollout = group.semaphore, group.rollout
    return {
        "available": places.free,
        "max": places.limit,
        "holders": [
            {"machine": one, **_holder_json(places.details.get(one, Holder()))}
            for one in places.holders
        ],
        "waiting": [
            {"machine": one.machine, "host": one.host, "since": one.since, "to": one.to_version}
            for one in waiters
        ],
        "policy": {
            "canaries": rollout.policy.canaries,
            "soak_s": rollout.policy.soak_s,
            "budget": rollout.policy.budget,
        },
        "halted": explained(rollout.halted) if rollout.halted else None,
        "releases": [
            {
                "version": one.version,
                "stage": one.stage.value,
                "well": list(one.well),
                "failed": list(one.failed),
                "reason": explained(one.decision) if one.decision else "",
            }
            for one in rollout.releases
        ],
    }


def _holder_json(known: Holder) -> dict[str, object]:
    return {
        "since": known.since,
        "host": known.host,
        "boot_id": known.boot_id,
        "from": known.from_version,
        "to": known.to_version,
        "by": known.by,
        "failed": known.failed,
    }


def moment(seconds: int) -> str:
    """A time for people, in UTC."""
    if not seconds:
        return "an unknown time"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _age(since: int, now: int) -> str:
    hours = (now - since) // 3600
    return f" ({hours} hours: is it gone for good?)" if since and hours >= 1 else ""
