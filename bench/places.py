"""Where benchmarks work: below the builder's cache, never elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from builder import local

ROOT = Path(__file__).resolve().parents[1]
BUILD_IMAGE = (sys.executable, "-m", "builder.cli")
"""The command under test, of this checkout when it is run in ``ROOT``."""


def workplace(name: str) -> Path:
    """The directory of one benchmark, made if it is not there."""
    path = local.build_world().cache.directory / "bench" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def passed_on() -> Mapping[str, str]:
    """The operator's settings, for commands run with a fixed environment."""
    return {key: value for key, value in os.environ.items() if key.startswith("TWINKEEL_")}
