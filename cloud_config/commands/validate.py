"""``cloud-config validate``: what is wrong with user data, without applying it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cloud_config.commands.verbs import Verbs
from cloud_config.document.budget import MAX_BYTES
from cloud_config.document.findings import Finding, in_order
from cloud_config.document.interpreting import Interpretation, interpret
from cloud_config.document.substitution import SAMPLES
from cloud_config.planning.facts import Facts
from cloud_config.planning.presence import absent
from osmodel.faults import InvalidInput

EXIT_ERRORS = 1


def add(verbs: Verbs) -> None:
    """Describe the command line."""
    verb = verbs.add_parser(
        "validate",
        help="say what is wrong with user data, without applying it",
        description="Say what is wrong with user data, without applying it. Each finding is a "
        "line: line N: error|warning|info: message.",
        epilog="Exit status: 0 no errors; 1 errors; 2 the file cannot be read.",
    )
    verb.add_argument("file", metavar="FILE", help="user data of any form; - is standard input")
    verb.add_argument("--json", action="store_true", help="print one JSON array of objects")
    verb.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the findings of a file."""
    read = checked(user_data(options.file))
    findings = in_order((*read.findings, *absent(read.document, Facts())))
    sys.stdout.write(as_json(findings) if options.json else as_text(findings))
    return EXIT_ERRORS if read.has_errors else 0


def checked(data: bytes) -> Interpretation:
    """User data as it would be read on some machine, whose addresses are examples."""
    return interpret(data, SAMPLES)


def user_data(name: str) -> bytes:
    """The bytes of a file, or of standard input for ``-``.

    Raises:
        InvalidInput: it cannot be read.
    """
    try:
        if name == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(name).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{name}: {error.strerror}") from error


def as_text(findings: Sequence[Finding]) -> str:
    """One line for each finding."""
    return "".join(f"{finding}\n" for finding in findings)


def as_json(findings: Sequence[Finding]) -> str:
    """An array; the keys are those of coreos-cloudinit's validator."""
    entries = [
        {"line": finding.line, "kind": finding.level.value, "message": finding.message}
        for finding in findings
    ]
    return json.dumps(entries) + "\n"
