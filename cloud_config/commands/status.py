"""``cloud-config status``: what came of this boot's configuration."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import TextIO

from cloud_config.apply.world import ApplyWorld
from cloud_config.commands.verbs import Verbs
from cloud_config.state.report import Outcome, Progress, Report, Result
from osmodel.faults import Fault, TransientFailure

_DEGRADED = 1
_STILL_RUNNING = TransientFailure.exit_status
_UNFINISHED = (Progress.RUNNING, Progress.WAITING)
_POLL = 0.5  # seconds
_LONGEST = 600.0  # seconds that --wait waits
_INTERRUPTED = Result("apply", "", "cloud-config", Outcome.FAILED, "interrupted before its end")


def add(verbs: Verbs) -> None:
    """Describe the command line."""
    verb = verbs.add_parser(
        "status",
        help="what came of this boot's configuration, and every error",
        description="What came of this boot's configuration, and every error.",
        epilog="Exit status: 0 all of it is in force, or there was none; 1 some of it is not; "
        "75 it is being applied.",
    )
    verb.add_argument("--json", action="store_true", help="print one JSON object")
    verb.add_argument("--wait", action="store_true", help="until it has been applied")
    verb.add_argument("-v", "--verbose", action="store_true", help="every action, not only errors")
    verb.set_defaults(run=lambda options: run(options, options.machine()))


def run(options: argparse.Namespace, world: ApplyWorld, out: TextIO | None = None) -> int:
    """Print the status of this boot.

    Raises:
        HostFailure: it cannot be read.
        UntrustedData: it is damaged.
    """
    out = out or sys.stdout
    report = read_report(world)
    deadline = world.clock.monotonic() + _LONGEST
    while options.wait and report.stage in _UNFINISHED and world.clock.monotonic() < deadline:
        world.clock.sleep(_POLL)
        report = read_report(world)
    if options.json:
        out.write(json.dumps(report.as_table(), indent=2) + "\n")
    else:
        out.write(as_text(report, verbose=options.verbose))
    if report.stage in _UNFINISHED:
        return _STILL_RUNNING
    return _DEGRADED if report.errors else 0


def read_report(world: ApplyWorld) -> Report:
    """The report of this boot; a run whose process has ended has failed.

    Raises:
        HostFailure: it cannot be read.
        UntrustedData: it is damaged.
    """
    text = world.status.read()
    report = Report() if text is None else Report.from_json(text)
    if report.stage is Progress.RUNNING and _is_free(world):
        report = replace(report, stage=Progress.DEGRADED, results=(*report.results, _INTERRUPTED))
    return report


def as_text(report: Report, *, verbose: bool = False) -> str:
    """For people; with ``verbose`` every action."""
    if report.stage is Progress.NOTHING:
        return "nothing: no user data were applied since the start of this machine\n"
    lines = [str(report.stage)]
    facts = {
        "instance": report.instance_id,
        "source": report.source,
        "applied": report.finished or f"since {report.started}",
    }
    lines += [f"  {name + ':':10}{value}" for name, value in facts.items() if value]
    changed = sum(one.outcome is Outcome.CHANGED for one in report.results)
    lines.append(f"  {'actions:':10}{len(report.results)}, {changed} changed something")
    if verbose:
        lines += [f"  {one}" for one in report.results]
    lines += [f"error: {line}" for line in report.errors]
    lines += [f"warning: {line}" for line in report.warnings]
    return "\n".join(lines) + "\n"


def _is_free(world: ApplyWorld) -> bool:
    try:
        with world.lock():
            return True
    except Fault:
        return False
