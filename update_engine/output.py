"""What ``update-ctl`` prints: JSON for programs, short tables for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

from update_engine.core.explanation import moment

if TYPE_CHECKING:
    from hostio.files.dropins import Problem
    from update_engine.firmware import FirmwareStatus
    from update_engine.status import Status
    from update_engine.store import Progress

_OPERATION = "UPDATE_STATUS_"
_BAR = 24  # characters
_TELLING = frozenset({"available", "blocked"})  # endings that status shows


def show_status(status: Status, out: TextIO, *, as_json: bool) -> int:
    """Print ``status``; 0."""
    if as_json:
        _print_json(status.to_json(), out)
        return 0
    rows = [
        ("Version", f"{status.version} ({status.image}, {status.architecture})"),
        ("Slot", status.slot or "unknown"),
        ("Health", f"{status.health}: {status.failed_check}".rstrip(": ")),
        ("State", status.operation.removeprefix(_OPERATION).replace("_", " ").lower()),
    ]
    if status.new_version:
        rows.append(("New version", f"{status.new_version} ({100 * status.progress:.0f} %)"))
    if status.waiting_for:
        rows.append(("Waiting for", status.waiting_for))
    if status.passive:
        rows.append(("Other slot", f"{status.passive.version} ({status.passive.assessment})"))
    rows.append(("Last check", moment(status.last_checked) if status.last_checked else "never"))
    rows += [("Quarantined", f"{one.version}: {one.reason}") for one in status.quarantined]
    if status.last_error:
        rows.append(("Last error", f"{status.last_error.kind}: {status.last_error.message}"))
    elif status.last_run and status.last_run.ending in _TELLING:
        said = f"{status.last_run.ending} {status.last_run.version}".rstrip()
        rows.append(("Last run", f"{said}: {status.last_run.text}".rstrip(": ")))
    rows += [("Settings", problem) for problem in status.settings_problems]
    out.writelines(f"{name + ':':<13}{value}\n" for name, value in rows)
    return 0


def show_firmware(status: FirmwareStatus, out: TextIO, *, as_json: bool) -> int:
    """Print a board's firmware files; 0."""
    if as_json:
        _print_json(status.to_json(), out)
        return 0
    rows = [
        (name, f"image {version}, board {status.on_board.get(name, 'unknown')}")
        for name, version in status.packages.items()
    ]
    rows += [(name, condition.value) for name, condition in status.files.items()]
    width = max(len(name) for name, _ in rows)
    out.writelines(f"{name:<{width}}  {text}\n" for name, text in rows)
    return 0


def show_explanation(sentences: Sequence[str], out: TextIO, *, as_json: bool) -> int:
    """Print sentences; 0."""
    if as_json:
        _print_json({"sentences": list(sentences)}, out)
    else:
        out.writelines(f"{sentence}\n" for sentence in sentences)
    return 0


def show_configuration(
    lines: Sequence[tuple[str, object, str]],
    problems: Sequence[Problem],
    out: TextIO,
    *,
    as_json: bool,
) -> int:
    """Print each setting with the file it comes from, and what was left out; 0."""
    if as_json:
        settings = {key: {"value": value, "origin": at} for key, value, at in lines}
        _print_json({**settings, "problems": [asdict(one) for one in problems]}, out)
        return 0
    width = max(len(key) for key, _, _ in lines)
    out.writelines(
        f"{key:<{width}} = {json.dumps(value)}  # {origin}\n" for key, value, origin in lines
    )
    out.writelines(
        f"{one.severity}: {one.text}{f' ({one.hint})' if one.hint else ''}\n" for one in problems
    )
    return 0


def show_result(
    result: Mapping[str, object],
    out: TextIO,
    *,
    as_json: bool,
    refusal: str = "nothing can be installed at this time",
) -> None:
    """Print the end of a run.

    Args:
        result: its fields.
        out: where to.
        as_json: for programs.
        refusal: headline of a run that was blocked.
    """
    if as_json:
        _print_json(result, out)
        return
    version = result["version"]
    headline = {
        "nothing-new": "nothing newer to install",
        "available": f"{version} can be installed",
        "armed": f"{version} starts at the next reboot",
        "waiting-for-reboot": f"{version} is installed already and starts at the next reboot",
        "blocked": refusal,
    }[str(result["ending"])]
    out.write(f"{headline}\n")
    for extra in (result["text"], result["hint"]):
        if extra:
            out.write(f"  {extra}\n")


class ProgressLine:
    """One line on a terminal that is written over; nothing at all elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self._out = out if out.isatty() else None
        self._length = 0

    def show(self, progress: Progress) -> None:
        """Draw the line."""
        if self._out is None:
            return
        what = progress.operation.removeprefix(_OPERATION).replace("_", " ").lower()
        done = round(_BAR * progress.progress)
        bar = f"[{'#' * done}{'.' * (_BAR - done)}] {100 * progress.progress:3.0f} %"
        text = f"{what} {progress.version} {bar}"
        self._out.write(f"\r{text:<{self._length}}")
        self._out.flush()
        self._length = len(text)

    def end(self) -> None:
        """Leave the line."""
        if self._out is not None and self._length:
            self._out.write("\n")


def _print_json(document: object, out: TextIO) -> None:
    out.write(json.dumps(document, separators=(",", ":")) + "\n")
