"""Where benchmarks work: below the builder's cache, never elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from builder.world import World
from hostio.net.httpfetch import HttpFetcher
from hostio.system.binfmt import KernelFormats
from hostio.system.clock import SystemClock
from hostio.system.runner import LocalRunner
from hostio.system.syscalls import KernelMounts

ROOT = Path(__file__).resolve().parents[1]
BUILD_IMAGE = (sys.executable, "-m", "builder.cli")
"""The command under test, of this checkout when it is run in ``ROOT``."""


def builder_world() -> World:
    """The builder on this host."""
    clock = SystemClock()
    return World(
        runner=LocalRunner(),
        fetcher=HttpFetcher(clock),
        clock=clock,
        formats=KernelFormats(KernelMounts()),
        environment=os.environ,
        home=Path.home(),
    )


def workplace(name: str) -> Path:
    """The directory of one benchmark, made if it is not there."""
    path = builder_world().cache.directory / "bench" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def passed_on() -> Mapping[str, str]:
    """The operator's settings, for commands run with a fixed environment."""
    return {key: value for key, value in os.environ.items() if key.startswith("TWINKEEL_")}
