"""``cloud-config schema``: a JSON Schema for editors."""

from __future__ import annotations

import argparse
import json
import sys

from cloud_config.commands.verbs import Verbs
from cloud_config.document.jsonschema import schema


def add(verbs: Verbs) -> None:
    """Describe the command line."""
    verb = verbs.add_parser(
        "schema",
        help="print a JSON Schema of cloud-config for editors",
        description="Print a JSON Schema of cloud-config. An editor that knows it completes keys "
        "and marks mistakes while one writes.",
    )
    verb.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print it."""
    del options
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
    return 0
