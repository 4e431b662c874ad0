"""Run a command so that it ends as a program should, whatever its streams are.

A command's result goes to a file that may be full, a pipe whose reader has
left, or a terminal that knows ASCII only, and an operator may interrupt it.
None of these is a bug, so none of them ends in a traceback:

============================  =======================================  ======
what happens                  what is said on standard error           status
============================  =======================================  ======
a fault                       the fault, and its hint                  its own
standard output fails         the reason of the operating system       74
the reader of a pipe left     nothing                                  141
interrupted (Ctrl-C)          ``interrupted``                          130
============================  =======================================  ======

Statuses 130 and 141 are what a shell reports for SIGINT and SIGPIPE.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from osmodel.faults import Fault, HostFailure

INTERRUPTED = 130
READER_LEFT = 141

_STANDARD_OUTPUT = 1


class _ReaderLeftError(Exception):
    """Raised by a write to a pipe that is read no more; never leaves this module."""


class _Output(io.FileIO):
    """Standard output whose failures are faults; a second one is no news."""

    failed = False

    def write(self, data: Any) -> int:
        if self.failed:
            return len(data)
        try:
            return super().write(data) or 0
        except BrokenPipeError as error:
            self.failed = True
            raise _ReaderLeftError from error
        except OSError as error:
            self.failed = True
            raise HostFailure(f"standard output: {error.strerror}") from error


def run_program(name: str, body: Callable[[], int]) -> int:
    """Run ``body`` with safe standard streams; returns the exit status.

    Args:
        name: of the program, in front of each message.
        body: does the work; what it raises besides faults is a bug and passes.
    """
    logging.raiseExceptions = False  # a log that cannot be written is no reason to stop
    try:
        return _run(body)
    except Fault as fault:
        complain(name, fault)
        status = fault.exit_status
    except _ReaderLeftError:
        status = READER_LEFT
    except KeyboardInterrupt:
        _say(f"{name}: interrupted\n")
        status = INTERRUPTED
    _forget_output()
    return status


def complain(name: str, fault: Fault) -> None:
    """Tell a person what went wrong and what helps."""
    hint = f"  {fault.hint}\n" if fault.hint else ""
    _say(f"{name}: {fault}\n{hint}")


def _run(body: Callable[[], int]) -> int:
    _open_missing_streams()
    replaced = sys.stdout
    sys.stdout.flush()
    sys.stdout = _safe_output()
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")
    try:
        status = body()
        sys.stdout.flush()
    finally:
        sys.stdout = replaced
    return status


def _open_missing_streams() -> None:
    """Occupy what the caller closed, or the next file opened would be written to."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - standard error
        continue
    os.close(descriptor)
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:
            setattr(sys, stream, open(os.devnull, "w", encoding="ascii"))  # noqa: PTH123, SIM115 - kept open


def _safe_output() -> io.TextIOWrapper:
    raw = _Output(_STANDARD_OUTPUT, "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=sys.stdout.encoding,
        # A name that this terminal cannot show is no reason to lose the rest.
        errors="backslashreplace",
        line_buffering=raw.isatty(),
    )


def _say(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _forget_output() -> None:
    """What could not be written is not tried again when the interpreter ends."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STANDARD_OUTPUT)
        os.close(nowhere)
