"""Sentences for ``update-ctl why``: why this version, why no other, what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from update_engine.core.enginestate import EngineState, Problem, Run


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is to explain.

    Attributes:
        version: that runs.
        root_hash: of the running root.
        health: ``pending``, ``healthy`` or ``unhealthy``.
        failed_check: what made it unhealthy.
        problems: what could not be used of the settings.
        enabled: whether updates are on.
        url: of the repository; empty if there is none.
        now: seconds since 1970.
        state: what the engine remembers.
    """

    version: str
    root_hash: str
    health: str
    failed_check: str
    problems: Sequence[str]
    enabled: bool
    url: str
    now: int
    state: EngineState


_TELLING = frozenset({"available", "blocked"})  # endings of a run that explain something


def explain(situation: Situation) -> list[str]:
    """Whole sentences, the most important first."""
    return [
        *_this_version(situation),
        *_no_other(situation),
        *_failures(situation),
        *(f"Settings: {problem}." for problem in situation.problems),
    ]


def _this_version(situation: Situation) -> Iterator[str]:
    state, version = situation.state, situation.version
    if state.armed is not None and state.armed.root_hash == situation.root_hash:
        yield (
            f"This machine runs {version} on trial: it was installed on "
            f"{moment(state.armed.at)} and is blessed once its health checks have passed."
        )
    elif success := [one for one in state.successes if one.root_hash == situation.root_hash]:
        yield f"This machine runs {version}, which came up healthy on {moment(success[-1].at)}."
    else:
        yield f"This machine runs {version}; no update has been blessed on it yet."
    if situation.health == "unhealthy":
        yield (
            f"It is unhealthy: {situation.failed_check}. It stays up because no version on this "
            "machine is known to be better."
        )
    elif situation.health == "pending":
        yield "Its health checks have not ended yet."


def _no_other(situation: Situation) -> Iterator[str]:
    state = situation.state
    if state.armed is not None and state.armed.root_hash != situation.root_hash:
        yield f"Version {state.armed.version} is installed and starts at the next reboot."
        return
    yield from _no_newer(situation)
    for objection in state.objections:
        yield f"Not installed: {objection}."


def _no_newer(situation: Situation) -> Iterator[str]:
    state = situation.state
    if not situation.enabled:
        yield "Updates are turned off; `update-ctl config` shows by which file."
    elif not situation.url:
        yield "No repository is configured, so nothing newer can be found."
    elif state.last_error is not None:
        yield from _error(state.last_error)
        if state.not_before > situation.now:
            yield f"The next scheduled check is not before {moment(state.not_before)}."
    elif state.last_run is not None and state.last_run.ending in _TELLING:
        yield from _last_run(state.last_run, situation.version)
    elif not state.last_checked:
        yield "The repository has not been asked yet."
    elif not state.objections:
        # What came up or failed since may be what the repository offered then.
        events = [*(one.at for one in state.successes), *(one.at for one in state.quarantined)]
        since = any(at > state.last_checked for at in events)
        answer = "was last asked" if since else "had nothing newer"
        yield f"The repository {answer} on {moment(state.last_checked)}."


def _last_run(run: Run, version: str) -> Iterator[str]:
    """What came of the last run, unless it has been overtaken since."""
    if run.version == version:
        yield f"The last run was on {moment(run.at)}."
    elif run.ending == "available":
        yield f"Version {run.version} can be installed; it was found on {moment(run.at)}."
    else:
        what = f"install {run.version}" if run.version else "install anything"
        yield f"The last run could not {what} on {moment(run.at)}: {run.text}."
        if run.hint:
            yield f"What helps: {run.hint}."


def _error(problem: Problem) -> Iterator[str]:
    yield f"The last run failed on {moment(problem.at)} ({problem.kind}): {problem.message}."
    if problem.hint:
        yield f"What helps: {problem.hint}."


def _failures(situation: Situation) -> Iterator[str]:
    for one in reversed(situation.state.quarantined):
        yield (
            f"Version {one.version or one.root_hash[:16]} failed and was quarantined on "
            f"{moment(one.at)}: {one.reason}. It is not installed again."
        )
        if one.journal:
            yield f"The journals of its failed boots are in {one.journal}."


def moment(seconds: int) -> str:
    """A time for people, in UTC."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s after 1970"  # no calendar goes that far
