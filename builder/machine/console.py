"""Reads what a machine prints while it boots.

The serial console is one growing file. The marks below tell how far a start has
come; they are counted, never timed, so they also hold on a slow host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from osmodel.faults import UntrustedData

# OVMF and AAVMF start the loader; U-Boot runs the script that is our loader there.
_FIRMWARE = re.compile(
    r"BdsDxe: starting Boot\d+ .* from PciRoot|^\*\* Booting bootflow .* with script", re.MULTILINE
)
_GAVE_UP = re.compile(
    r"BdsDxe: starting Boot\d+ .* from Fv|BdsDxe: No bootable option|^=> ", re.MULTILINE
)
_SLOT = re.compile(r"twinkeel: starting slot ([ab]) on ")
# Colours, cursor movements and the carriage returns of a serial line.
_PRINTED = re.compile(r"twinkeel-report: (\{.*\})$", re.MULTILINE)
_CONTROL = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")

MILESTONES: Mapping[str, re.Pattern[str]] = {"firmware": _FIRMWARE, "slot": _SLOT}
"""Stages of a start, in order, by the text that shows them; a group in it is a detail."""


@dataclass(frozen=True, slots=True)
class Report:
    """A line of the report port: the machine is ready.

    Attributes:
        status: what ``update-ctl status --json`` said.
    """

    status: Mapping[str, object]

    @property
    def version(self) -> str:
        """Version of the running system."""
        return str(self.status["version"])

    @property
    def slot(self) -> str:
        """Slot it runs from: ``a`` or ``b``."""
        return str(self.status["slot"])


def plain(console: bytes) -> str:
    """The console's text without terminal control sequences."""
    return _CONTROL.sub("", console.decode(errors="replace"))


def starts(text: str) -> int:
    """How often the firmware started a loader."""
    return len(_FIRMWARE.findall(text))


def firmware_gave_up(text: str) -> bool:
    """Whether the firmware found nothing to start and now waits for a person."""
    return _GAVE_UP.search(text) is not None


def reports(lines: bytes) -> list[Report]:
    """All complete lines of the report port, oldest first.

    A line cut off by a reset of the machine is skipped.

    Raises:
        UntrustedData: a line that is no report.
    """
    texts = [line.strip(b"\x00\r ") for line in lines.split(b"\n")[:-1]]
    return [_report(text) for text in texts if text.endswith(b"}")]


def printed_reports(text: str) -> list[Report]:
    """The reports of a machine that has no port for them, from its console.

    Raises:
        UntrustedData: a line that is no report.
    """
    complete = text[: text.rfind("\n") + 1]
    return [_report(found.encode()) for found in _PRINTED.findall(complete)]


def _report(text: bytes) -> Report:
    try:
        status = json.loads(text)["status"]
    except (ValueError, KeyError, TypeError) as error:
        raise UntrustedData(f"not a report: {text[:200]!r}") from error
    if not isinstance(status, dict) or not {"version", "slot"} <= set(status):
        raise UntrustedData(f"not a status: {text[:200]!r}")
    return Report(status)
