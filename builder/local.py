"""This host: the only place where the builder's real adapters are made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from builder.packages import proxies
from builder.world import BuildWorld
from hostio.net.httpfetch import HttpFetcher
from hostio.system.binfmt import KernelFormats
from hostio.system.clock import SystemClock
from hostio.system.runner import LocalRunner
from hostio.system.syscalls import KernelMounts


def build_world(environment: Mapping[str, str] = os.environ) -> BuildWorld:
    """The builder on this host.

    Args:
        environment: names mirrors, proxies and the cache.
    """
    clock, runner = SystemClock(), LocalRunner()
    reached = {**environment, **proxies.find(environment, runner).variables}
    return BuildWorld(
        runner=runner,
        fetcher=HttpFetcher(clock, environment=reached),
        clock=clock,
        formats=KernelFormats(KernelMounts()),
        environment=environment,
        home=Path.home(),
        user=os.geteuid(),
    )
