"""``cloud-config sources``: where this machine looks for its configuration."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TextIO

from cloud_config.commands.verbs import Verbs
from cloud_config.planning.metadata import Metadata
from cloud_config.sources.choosing import Source, Stage, sources_of, stage_of
from cloud_config.sources.detect import detect
from cloud_config.sources.platforms import platform_of
from cloud_config.state.paths import RUN, STATUS
from cloud_config.state.report import Report
from osmodel.faults import Fault

METADATA = RUN / "metadata.json"
_WHEN = {Stage.LOCAL: "before the network", Stage.NETWORK: "once the network is up"}


def add(verbs: Verbs) -> None:
    """Describe the command line."""
    verb = verbs.add_parser(
        "sources",
        help="say where this machine looks for user data, and what it found",
        description="Say where this machine looks for user data, in order, and which source was "
        "used in this start. Nothing is asked again.",
    )
    verb.add_argument("--json", action="store_true", help="print one JSON object")
    verb.set_defaults(run=run)


def run(options: argparse.Namespace, root: Path = Path("/"), out: TextIO | None = None) -> int:
    """Print the sources of the machine whose files are below ``root``."""
    out = out or sys.stdout
    detected = detect(root)
    used = _used(root)
    metadata = _metadata(root)
    sources = sources_of(detected)
    platform = platform_of(detected.firmware)
    if options.json:
        table = {
            "platform": platform,
            "instance_id": metadata.instance_id or detected.instance_id,
            "sources": [
                {"name": one, "stage": stage_of(one), "used": one == used} for one in sources
            ],
        }
        out.write(json.dumps(table, indent=2) + "\n")
        return 0
    out.write(f"platform: {platform or 'none with a source of its own'}\n")
    out.write(f"instance: {metadata.instance_id or detected.instance_id}\n")
    out.writelines(_line(one, used) for one in sources)
    return 0


def _line(source: Source, used: str) -> str:
    mark = "*" if source == used else " "
    return f"{mark} {source:15} {_WHEN[stage_of(source)]}\n"


def _used(root: Path) -> str:
    try:
        return Report.from_json(_text(root, STATUS)).source
    except (OSError, Fault):
        return ""


def _metadata(root: Path) -> Metadata:
    try:
        return Metadata.from_json(_text(root, METADATA))
    except (OSError, Fault):
        return Metadata()


def _text(root: Path, path: Path) -> str:
    return (root / path.relative_to("/")).read_text(encoding="utf-8")
