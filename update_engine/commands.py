"""The verbs of ``update-ctl``: each takes one call and returns its exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TextIO

from hostio.files.dropins import Severity
from hostio.system.signals import terminated_by_signal
from osmodel.faults import InvalidInput
from update_engine import output
from update_engine.settings import Configuration
from update_engine.world import EngineWorld

if TYPE_CHECKING:
    from update_engine.install.sources import Source
    from update_engine.worker import Result

EXIT_NOTHING_NEW = 10
EXIT_BLOCKED = 11
EXIT_LATER = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the program.

    Attributes:
        options: the parsed command line.
        world: the machine.
        configuration: its settings with their origins.
        out: where the answer goes.
    """

    options: argparse.Namespace
    world: EngineWorld
    configuration: Configuration
    out: TextIO


def _status(call: Call) -> int:
    from update_engine.status import status_of  # noqa: PLC0415 - verbs load what they need

    return output.show_status(status_of(call.world), call.out, as_json=call.options.json)


def _why(call: Call) -> int:
    from update_engine.core.explanation import Situation, explain  # noqa: PLC0415 - as above
    from update_engine.status import status_of  # noqa: PLC0415 - as above

    world, status = call.world, status_of(call.world)
    situation = Situation(
        status.version,
        status.root_hash,
        status.health,
        status.failed_check,
        status.settings_problems,
        world.settings.updates.enabled,
        world.settings.repository_url,
        world.now(),
        replace(world.store.state().as_of(world.now()), last_error=status.last_error),
    )
    return output.show_explanation(explain(situation), call.out, as_json=call.options.json)


def _check(call: Call) -> int:
    from update_engine.install.sources import FromRepository  # noqa: PLC0415 - slow: cryptography, TUF
    from update_engine.worker import check  # noqa: PLC0415 - as above

    _require_updates(call)
    return _finish(call, check(call.world, FromRepository(call.world.releases())))


def _apply(call: Call) -> int:
    options, world = call.options, call.world
    if options.scheduled and (reason := _not_now(world)):
        sys.stderr.write(f"update-ctl: {reason}\n")
        return EXIT_LATER
    from update_engine.worker import Ending, update  # noqa: PLC0415 - slow: cryptography

    _require_updates(call)
    line = output.ProgressLine(sys.stderr)
    try:
        with terminated_by_signal():
            result = update(world, _source(call), line.show, retry=options.retry or "")
    finally:
        line.end()
    status = _finish(call, result)
    if options.reboot and result.ending in (Ending.ARMED, Ending.WAITING_FOR_REBOOT):
        world.power.reboot()
    return status


def _source(call: Call) -> Source:
    from update_engine.install.sources import FromFile, FromRepository  # noqa: PLC0415 - slow

    releases, file = call.world.releases(), call.options.payload
    return FromFile(file, releases) if file else FromRepository(releases)


def _rollback(call: Call) -> int:
    from update_engine.core.preflight import Blocked  # noqa: PLC0415 - verbs load what they need
    from update_engine.rollback import roll_back_now  # noqa: PLC0415 - as above
    from update_engine.worker import Ending, Result  # noqa: PLC0415 - as above

    decision = roll_back_now(call.world)
    if isinstance(decision, Blocked):
        refused = Result(Ending.BLOCKED, "", decision.text, decision.hint)
        output.show_result(
            asdict(refused), call.out, as_json=call.options.json, refusal="cannot roll back"
        )
        return EXIT_BLOCKED
    status = _finish(call, Result(Ending.ARMED, decision.to.version))
    if call.options.reboot:
        call.world.power.reboot()
    return status


def _firmware(call: Call) -> int:
    options = call.options
    if options.files and options.action == "status":
        raise InvalidInput("`firmware status` takes no files: it lists all of them")
    board = call.world.firmware()
    # Comparing mounts the partition too, which one program at a time may do.
    with call.world.lock():
        if options.action == "status":
            status = board.status()
        else:
            status = board.update(options.files, _show_replaced)
    return output.show_firmware(status, call.out, as_json=options.json)


def _config(call: Call) -> int:
    settings, problems = call.configuration.lines(), call.configuration.problems
    return output.show_configuration(settings, problems, call.out, as_json=call.options.json)


def _etc(call: Call) -> int:
    from update_engine.etc import show  # noqa: PLC0415 - verbs load what they need

    options = call.options
    return show(call.world.etc(), call.out, as_json=options.json, everything=options.all)


VERBS: dict[str, Callable[[Call], int]] = {
    "status": _status,
    "check": _check,
    "apply": _apply,
    "why": _why,
    "rollback": _rollback,
    "firmware": _firmware,
    "config": _config,
    "etc": _etc,
}


def _show_replaced(name: str) -> None:
    sys.stderr.write(f"{name}: replaced\n")


def _finish(call: Call, result: Result) -> int:
    from update_engine.worker import Ending  # noqa: PLC0415 - loaded already by every caller

    output.show_result(asdict(result), call.out, as_json=call.options.json)
    if result.ending is Ending.BLOCKED:
        return EXIT_BLOCKED
    # Only the question is answered by "no"; being up to date is what apply is for.
    nothing = result.ending is Ending.NOTHING_NEW and call.options.verb == "check"
    return EXIT_NOTHING_NEW if nothing else 0


def _require_updates(call: Call) -> None:
    for problem in call.configuration.problems:
        if problem.severity is Severity.ERROR:
            # What it was to say may be that no update is wanted.
            raise InvalidInput(problem.text, hint=problem.hint or "see `update-ctl config`")
    if not call.world.settings.updates.enabled:
        raise InvalidInput("updates are turned off on this machine", hint="see `update-ctl config`")


def _not_now(world: EngineWorld) -> str:
    """Why a scheduled run does nothing; empty when it may go on."""
    if not world.settings.updates.enabled:
        return "updates are turned off"
    if not world.settings.repository_url:
        return "no repository is configured"
    if world.store.state().as_of(world.now()).not_before:
        return "backing off after failures"
    return ""
