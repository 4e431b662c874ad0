"""``cloud-config diff``: how this machine differs from its image and from its document."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TextIO

from cloud_config.apply.comparing import as_text, compare
from cloud_config.apply.drift import BY_HAND, Difference, Drift
from cloud_config.apply.world import ApplyWorld
from cloud_config.commands.verbs import Verbs

_DRIFTED = 1


def add(verbs: Verbs) -> None:
    """Describe the command line."""
    verb = verbs.add_parser(
        "diff",
        help="how /etc differs from the image and from what cloud-config wrote",
        description="How /etc differs from the image and from what cloud-config wrote. "
        "configured: as cloud-config wrote it; edited, missing: it was, and was changed by hand "
        "since; added, changed, deleted: by hand, against the image; machine: made by the system.",
        epilog="Exit status: 0 nothing was changed by hand; 1 something was.",
    )
    verb.add_argument("--json", action="store_true", help="print one JSON object")
    verb.add_argument("--all", action="store_true", help="what the machine made for itself, too")
    verb.add_argument("--text", action="store_true", help="the lines that differ from the image")
    verb.set_defaults(run=lambda options: run(options, options.machine()))


def run(options: argparse.Namespace, world: ApplyWorld, out: TextIO | None = None) -> int:
    """Print the differences; 1 if one was made by hand.

    Raises:
        HostFailure: the files cannot be looked at; it takes root.
        UntrustedData: the record of what was written is damaged.
    """
    out = out or sys.stdout
    found = [one for one in compare(world) if options.all or one.drift is not Drift.MACHINE]
    if options.json:
        out.write(json.dumps({"differences": [asdict(one) for one in found]}, indent=2) + "\n")
    else:
        _show(found, world, out, with_text=options.text)
    return _DRIFTED if any(one.drift in BY_HAND for one in found) else 0


def _show(found: Sequence[Difference], world: ApplyWorld, out: TextIO, *, with_text: bool) -> None:
    for one in found:
        notes = ", ".join(filter(None, (one.origin, one.what)))
        out.write(f"{one.drift:11} {one.path}{f' ({notes})' if notes else ''}\n")
        if with_text:
            out.writelines(as_text(one.path, world))
