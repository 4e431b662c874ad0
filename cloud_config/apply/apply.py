"""Apply a plan: every action in its order, whatever becomes of the others.

Nothing here decides what a machine shall be; that is the plan's. What is kept:

- The record names a file before it is written, so that it can be taken away
  whenever the power fails.
- A failed action is reported and the next one is done: a machine with half its
  configuration can be reached and repaired.
- The actions are planned from the record as it is under the lock, so that two
  runs at once cannot take back each other's files.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cloud_config.apply.context import Context
from cloud_config.apply.files import refresh_defaults
from cloud_config.apply.instance import instance_id, keep
from cloud_config.apply.performing import named, perform
from cloud_config.apply.world import ApplyWorld
from cloud_config.document.findings import Finding
from cloud_config.planning.actions import Action
from cloud_config.planning.footprint import intended
from cloud_config.planning.record import Record
from cloud_config.state.report import Outcome, Progress, Report, Result
from cloud_config.state.stored import Instance
from osmodel.faults import Fault

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be applied.

    Attributes:
        actions: in the order in which they are done, for the record of what
            former runs wrote.
        instance_id: what is done once is done once for each of these; empty for
            this disk's own.
        source: where the user data came from, for the report.
        findings: of the sources, of the document and of the plan.
        user_data: kept for later boots, secret; ``None`` if there are none.
        with_commands: false leaves commands to units and scripts to a second
            run in the same boot.
    """

    actions: Callable[[Record], tuple[Action, ...]]
    instance_id: str = ""
    source: str = ""
    findings: tuple[Finding, ...] = ()
    user_data: bytes | None = field(default=None, repr=False)
    with_commands: bool = True


def apply(order: Order, world: ApplyWorld) -> Report:
    """Make the machine what the actions say; the report is kept as status too.

    Nothing that a document or the machine does raises: it is in the report.
    """
    try:
        with world.lock():
            report = _apply(order, world)
    except Fault as fault:  # of the lock alone
        failed = Result("apply", "", "cloud-config", Outcome.FAILED, _line(fault))
        report = Report(Progress.DEGRADED, order.instance_id, order.source, results=(failed,))
    _complain(report)
    return report


def _apply(order: Order, world: ApplyWorld) -> Report:
    context = Context(world, order.instance_id, Record(), order.with_commands)
    results = _begin(order, context)
    report = Report(Progress.RUNNING, context.instance, order.source, _now(world))
    report = replace(report, findings=order.findings)
    results += _keep_status(world, report)
    actions = order.actions(context.record)
    results += _attempt("keep-record", "before", lambda: _keep(context, actions))
    results += [_perform(action, context) for action in actions]
    results += _attempt("follow-image", "", lambda: refresh_defaults(context))
    results += _attempt("keep-record", "after", context.remember)
    results += _attempt("keep-pending", "", context.leave_pending)
    report = replace(report, results=tuple(results), finished=_now(world))
    return _finished(report, order, world)


def _begin(order: Order, context: Context) -> list[Result]:
    """Recall what is known of former runs; what is damaged is reported and left out."""
    world = context.world

    def recall() -> None:
        text = world.record.read()
        if text is not None:
            context.record = Record.from_json(text)
            context.kept = text

    def note_instance() -> None:
        context.instance = instance_id(order.instance_id, world)
        keep(Instance(context.instance, order.source), order.user_data, world)

    return [
        *_attempt("read-record", "", recall),
        *_attempt("read-pending", "", context.take_pending),
        *_attempt("keep-user-data", "", note_instance),
    ]


def _keep(context: Context, actions: Sequence[Action]) -> None:
    context.record = intended(context.record, actions)
    context.remember()


def _perform(action: Action, context: Context) -> Result:
    kind, subject = named(action)
    try:
        done = perform(action, context)
    except Fault as fault:
        return Result(kind, subject, action.origin, Outcome.FAILED, _line(fault))
    if done.outcome is Outcome.CHANGED:
        _log.info("action=%s subject=%s origin=%s %s", kind, subject, action.origin, done.text)
    return Result(kind, subject, action.origin, done.outcome, done.text)


def _attempt(action: str, subject: str, attempt: Callable[[], None]) -> list[Result]:
    """Do something of our own; only a failure is worth a result."""
    try:
        attempt()
    except Fault as fault:
        return [Result(action, subject, "cloud-config", Outcome.FAILED, _line(fault))]
    return []


def _line(fault: Fault) -> str:
    """A fault in one line: what a tool printed may have more."""
    text = "; ".join(line.strip() for line in str(fault).splitlines() if line.strip())
    return f"{text} ({fault.hint})" if fault.hint else text


def _keep_status(world: ApplyWorld, report: Report) -> list[Result]:
    return _attempt("keep-status", "", lambda: world.status.write(report.as_json()))


def _finished(report: Report, order: Order, world: ApplyWorld) -> Report:
    whole = Progress.DEGRADED if report.errors else Progress.DONE
    report = replace(report, stage=whole if order.with_commands else Progress.WAITING)
    missing = _keep_status(world, report)
    return replace(report, results=(*report.results, *missing)) if missing else report


def _complain(report: Report) -> None:
    for line in report.warnings:
        _log.warning("%s", line)
    for line in report.errors:
        _log.error("%s", line)


def _now(world: ApplyWorld) -> str:
    return world.clock.now().isoformat(timespec="seconds")
