"""Log lines of a service, by priority, on the streams that systemd gave it.

What is an error goes to standard error, which a unit may show on the console as
well (``StandardError=journal+console``); the rest goes to standard output.

Source: sd-daemon(3), "<3>" and the like in front of a line.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping

_PRIORITIES: Mapping[int, int] = {logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}
_ERROR = 3


class _ByPriority(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        priority = _PRIORITIES.get(record.levelno, _ERROR)
        # One record stays one line: an inner line has no priority of its own.
        return f"<{priority}>" + super().format(record).replace("\n", "\\n")


def log_to_journal(level: int = logging.INFO) -> None:
    """Send every log line of this program to the journal."""
    errors, others = logging.StreamHandler(sys.stderr), logging.StreamHandler(sys.stdout)
    errors.setLevel(logging.ERROR)
    others.addFilter(lambda record: record.levelno < logging.ERROR)
    for handler in (errors, others):
        handler.setFormatter(_ByPriority("%(message)s"))
    logging.basicConfig(level=level, handlers=[errors, others])
