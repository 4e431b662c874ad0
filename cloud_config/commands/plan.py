"""``cloud-config plan``: what a document would do to this machine; nothing is done."""

from __future__ import annotations

import argparse
import json
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud_config.commands.validate import as_json, as_text, user_data
from cloud_config.commands.verbs import Verbs
from cloud_config.document.findings import Finding, Level, in_order
from cloud_config.machinefacts import given_metadata, read_facts, read_metadata
from cloud_config.planning.actions import (
    Action,
    AuthorizeKeys,
    DisableUnit,
    EnsureUser,
    Frequency,
    LinkFile,
    PutFile,
    RemoveFile,
    SetHostname,
    StopUnit,
)
from cloud_config.planning.describing import as_table, summary
from cloud_config.planning.facts import Facts
from cloud_config.planning.plan import frequency
from cloud_config.planning.record import Record
from cloud_config.prepare import prepare
from cloud_config.state.paths import RECORD
from hostio.files.imagelayer import image_layer
from osmodel.faults import UntrustedData

_FAILED = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One action, and how it compares with the machine.

    Attributes:
        state: ``new``, ``changes``, ``same``, ``removes``, or empty where that is
            not looked at.
    """

    action: Action
    state: str


def add(verbs: Verbs) -> None:
    """Describe the command line."""
    verb = verbs.add_parser(
        "plan",
        help="say what user data would do to this machine, without doing it",
        description="Say what user data would do to this machine, without doing it: one line "
        "for each action, in order, with the key that asks for it. Files are compared with "
        "the machine's: new, changes or same; what a former document asked for and this one "
        "does not: removes.",
        epilog="Exit status: 0 all of it can be done; 1 some cannot; 2 the file cannot be read.",
    )
    verb.add_argument("file", metavar="FILE", help="user data of any form; - is standard input")
    verb.add_argument("--json", action="store_true", help="print one JSON object")
    verb.add_argument(
        "--metadata",
        metavar="FILE",
        type=Path,
        help="addresses, keys and names as JSON; by default what the platform said at this start",
    )
    verb.set_defaults(run=run, record=RECORD)


def run(options: argparse.Namespace) -> int:
    """Print the plan; 1 if something of the document cannot be done.

    Raises:
        InvalidInput: there is no such file, or the metadata have a wrong key.
        HostFailure: a file of the machine cannot be read.
        UntrustedData: the metadata is none.
    """
    given = options.metadata
    metadata = read_metadata() if given is None else given_metadata(given)
    facts = read_facts(metadata, image=image_layer)
    record, remarks = _record(options.record)
    prepared = prepare(user_data(options.file), facts, remarks)
    findings = in_order(prepared.findings)
    steps = [Step(one, state(one, facts, Path("/"))) for one in prepared.actions(record)]
    sys.stdout.write(_json(steps, findings) if options.json else _text(steps, findings))
    return _FAILED if any(f.level is Level.ERROR for f in findings) else 0


def _record(path: Path) -> tuple[Record, tuple[Finding, ...]]:
    """What former documents wrote on this machine, and why it is not known."""
    try:
        return Record.from_json(path.read_text(encoding="utf-8")), ()
    except FileNotFoundError:
        return Record(), ()
    except PermissionError:
        message = "what former documents wrote and this one takes back is not shown: it takes root"
    except (OSError, ValueError, UntrustedData) as error:
        message = f"what former documents wrote is not known: {error}"
    return Record(), (Finding(0, Level.WARNING, message),)


def state(action: Action, facts: Facts, root: Path) -> str:
    """How an action compares with the machine below ``root``."""
    match action:
        case PutFile():
            return _file_state(root / action.path.lstrip("/"), action)
        case LinkFile():
            path = root / action.path.lstrip("/")
            if not path.is_symlink():
                return "changes" if path.exists() else "new"
            return "same" if str(path.readlink()) == action.target else "changes"
        case RemoveFile() | StopUnit() | DisableUnit() | AuthorizeKeys(keys=()):
            return "removes"
        case EnsureUser():
            return "same" if action.name in facts.users else "new"
        case SetHostname():
            return "same" if action.name == facts.hostname else "changes"
        case _:
            return ""


def _file_state(path: Path, action: PutFile) -> str:
    try:
        found = path.stat()
        if found.st_size != len(action.content) or stat.S_IMODE(found.st_mode) != action.mode:
            return "changes"
        return "same" if path.read_bytes() == action.content else "changes"
    except FileNotFoundError:
        return "new"
    except OSError:
        return ""  # not ours to read


def _text(steps: Sequence[Step], findings: Sequence[Finding]) -> str:
    lines = [
        f"{step.state:7}  {summary(step.action)}{_due(step.action)}  [{step.action.origin}]"
        for step in steps
    ]
    return "".join(f"{line}\n" for line in lines) + as_text(findings)


def _due(action: Action) -> str:
    return "" if frequency(action) is Frequency.EVERY_BOOT else " (once per instance)"


def _json(steps: Sequence[Step], findings: Sequence[Finding]) -> str:
    table = {
        "actions": [
            {**as_table(step.action), "frequency": frequency(step.action), "state": step.state}
            for step in steps
        ],
        "findings": json.loads(as_json(findings)),
    }
    return json.dumps(table, indent=2) + "\n"
