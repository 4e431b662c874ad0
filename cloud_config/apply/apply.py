"""Apply a plan: every action in its order, whatever becomes of the others.

Nothing here decides what a machine shall be; that is the plan's. What is kept:

- The record names a file before it is written, so that it can be taken away
  whenever the power fails.
- A failed action is reported and the next one is done: a machine with half its
  configuration can be reached and repaired.
- What a former document asked for goes away only on the word of a document that
  was understood as a whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cloud_config.apply.context import Run
from cloud_config.apply.files import refresh_defaults
from cloud_config.apply.instance import instance_id, keep
from cloud_config.apply.performing import named, perform
from cloud_config.apply.removals import Step, intended, leftovers
from cloud_config.apply.world import World
from cloud_config.document.findings import Finding, Level
from cloud_config.planning.actions import Action
from cloud_config.state.record import Record
from cloud_config.state.report import Outcome, Report, Result, Stage
from cloud_config.state.stored import Instance
from osmodel.faults import Fault

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be applied.

    Attributes:
        actions: in the order in which they are done.
        instance_id: what is done once is done once for each of these; empty for
            this disk's own.
        source: where the user data came from, for the report.
        findings: of the document and of the plan; an error keeps what former
            documents wrote.
        user_data: kept for later boots, secret; ``None`` if there are none.
        with_commands: false leaves commands to units and scripts to a second
            run in the same boot.
    """

    actions: tuple[Action, ...]
    instance_id: str = ""
    source: str = ""
    findings: tuple[Finding, ...] = ()
    user_data: bytes | None = field(default=None, repr=False)
    with_commands: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether the document was understood as a whole."""
        return not any(finding.level is Level.ERROR for finding in self.findings)


def apply(order: Order, world: World) -> Report:
    """Make the machine what the actions say; the report is kept as status too.

    Nothing that a document or the machine does raises: it is in the report.
    """
    try:
        with world.lock():
            report = _apply(order, world)
    except Fault as fault:  # of the lock alone
        failed = Result("apply", "", "cloud-config", Outcome.FAILED, _line(fault))
        report = Report(Stage.DEGRADED, order.instance_id, order.source, results=(failed,))
    _complain(report)
    return report


def _apply(order: Order, world: World) -> Report:
    run = Run(world, order.instance_id, Record(), order.with_commands)
    results = _begin(order, run)
    report = Report(Stage.RUNNING, run.instance, order.source, _now(world))
    report = replace(report, findings=order.findings)
    results += _told(world, report)
    steps = _steps(order, run)
    results += _attempt("keep-record", "before", lambda: _keep(run, steps))
    results += [_perform(step, run) for step in steps]
    results += _attempt("follow-image", "", lambda: refresh_defaults(run))
    results += _attempt("keep-record", "after", run.remember)
    results += _attempt("keep-pending", "", run.leave_pending)
    report = replace(report, results=tuple(results), finished=_now(world))
    return _finished(report, order, world)


def _begin(order: Order, run: Run) -> list[Result]:
    """Recall what is known of former runs; what is damaged is reported and left out."""
    world = run.world

    def recall() -> None:
        text = world.record.read()
        if text is not None:
            run.record = Record.from_json(text)
            run.kept = text

    def note_instance() -> None:
        run.instance = instance_id(order.instance_id, world)
        keep(Instance(run.instance, order.source), order.user_data, world)

    return [
        *_attempt("read-record", "", recall),
        *_attempt("read-pending", "", run.take_pending),
        *_attempt("keep-user-data", "", note_instance),
    ]


def _steps(order: Order, run: Run) -> tuple[Step, ...]:
    # A first run of two may not know all that the document will say in the end.
    if not order.is_whole or not order.with_commands:
        return order.actions
    return (*leftovers(run.record, order.actions), *order.actions)


def _keep(run: Run, steps: Sequence[Step]) -> None:
    run.record = intended(run.record, steps)
    run.remember()


def _perform(step: Step, run: Run) -> Result:
    action, subject = named(step)
    try:
        done = perform(step, run)
    except Fault as fault:
        return Result(action, subject, step.origin, Outcome.FAILED, _line(fault))
    if done.outcome is Outcome.CHANGED:
        _log.info("action=%s subject=%s origin=%s %s", action, subject, step.origin, done.text)
    return Result(action, subject, step.origin, done.outcome, done.text)


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


def _told(world: World, report: Report) -> list[Result]:
    return _attempt("tell-status", "", lambda: world.status.write(report.as_json()))


def _finished(report: Report, order: Order, world: World) -> Report:
    whole = Stage.DEGRADED if report.errors else Stage.DONE
    report = replace(report, stage=whole if order.with_commands else Stage.WAITING)
    missing = _told(world, report)
    return replace(report, results=(*report.results, *missing)) if missing else report


def _complain(report: Report) -> None:
    for line in report.warnings:
        _log.warning("%s", line)
    for line in report.errors:
        _log.error("%s", line)


def _now(world: World) -> str:
    return world.clock.now().isoformat(timespec="seconds")
