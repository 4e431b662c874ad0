"""The ``cloud-config`` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from osmodel.faults import Fault


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    top = argparse.ArgumentParser(prog="cloud-config", description=__doc__)
    top.add_subparsers(dest="command", required=True)
    options = top.parse_args(argv)
    try:
        status: int = options.run(options)
    except Fault as fault:
        sys.stderr.write(f"cloud-config: {fault}\n")
        if fault.hint:
            sys.stderr.write(f"  {fault.hint}\n")
        return fault.exit_status
    return status
