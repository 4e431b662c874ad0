"""``cloud-config apply``: make this machine what user data say."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TextIO

from cloud_config.apply.apply import Order, apply
from cloud_config.apply.instance import stored_instance, stored_user_data
from cloud_config.apply.world import ApplyWorld
from cloud_config.commands.status import as_text
from cloud_config.commands.validate import user_data
from cloud_config.commands.verbs import Verbs
from cloud_config.machinefacts import read_facts, read_metadata
from cloud_config.prepare import prepare
from osmodel.faults import InvalidInput

_DEGRADED = 1


def add(verbs: Verbs) -> None:
    """Describe the command line."""
    verb = verbs.add_parser(
        "apply",
        help="make this machine what user data say",
        description="Make this machine what user data say. What a former document asked for and "
        "this one does not is taken back, unless this one has errors. At the next start the "
        "machine's own source of user data counts again.",
        epilog="Exit status: 0 all of it is in force; 1 some of it is not.",
    )
    verb.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="user data of any form, - for standard input; by default those applied last",
    )
    verb.add_argument("--instance-id", metavar="ID", default="", help="as which instance")
    verb.add_argument("--json", action="store_true", help="print one JSON object")
    verb.add_argument("-v", "--verbose", action="store_true", help="every action, not only errors")
    verb.set_defaults(run=lambda options: run(options, options.machine()))


def run(options: argparse.Namespace, world: ApplyWorld, out: TextIO | None = None) -> int:
    """Apply a file; 1 if some of it is not in force.

    Raises:
        InvalidInput: there is no such file, or nothing was applied before.
        HostFailure: a file of the machine cannot be read.
        UntrustedData: the metadata of this boot is damaged.
    """
    out = out or sys.stdout
    report = apply(_order(options, world), world)
    if options.json:
        out.write(json.dumps(report.as_table(), indent=2) + "\n")
    else:
        out.write(as_text(report, verbose=options.verbose))
    return _DEGRADED if report.errors else 0


def _order(options: argparse.Namespace, world: ApplyWorld) -> Order:
    data = user_data(options.file) if options.file else stored_user_data(world)
    if data is None:
        raise InvalidInput("no user data were applied before", hint="name a file")
    return order_of(data, options.file, world, instance_id=options.instance_id)


def order_of(data: bytes, source: str | None, world: ApplyWorld, *, instance_id: str = "") -> Order:
    """What user data ask for on this machine.

    Args:
        data: of any form.
        source: where they are from; ``None`` for the source of those applied last.
        world: the machine.
        instance_id: as which instance; by default the one of this boot.

    Raises:
        HostFailure: a file of the machine cannot be read.
        UntrustedData: the metadata of this boot is damaged.
    """
    before = stored_instance(world)
    facts = read_facts(read_metadata(), image=world.image)
    prepared = prepare(data, facts)
    return Order(
        prepared.actions,
        instance_id or facts.metadata.instance_id or before.instance_id,
        source or before.source,
        prepared.findings,
        data,
    )
