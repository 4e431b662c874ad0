"""The ports that sources are read through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cloud_config.sources.settings import Settings
from hostio.disk.media import Media
from hostio.net.fetch import Fetcher
from hostio.net.guestrpc import GuestVariables
from hostio.net.plainhttp import Http
from hostio.system.clock import Clock
from hostio.system.runner import Runner

METADATA_ADDRESS = "http://169.254.169.254"


@dataclass(frozen=True, slots=True)
class SourcesWorld:
    """Everything a source may touch; nothing here is changed by reading one.

    Attributes:
        root: of the file system; ``/`` on a machine.
        media: mounts what is put into the machine.
        http: asks metadata services.
        fetcher: makes the client for a URL; a full one costs time to load.
        variables: asks a VMware host.
        runner: asks programs of the image.
        clock: measures deadlines.
        credentials: directory of the credentials that the manager passed, if any.
        settings: how to ask.
        metadata_address: where the platform's service answers.
    """

    root: Path
    media: Media
    http: Http
    fetcher: Callable[[], Fetcher]
    variables: GuestVariables
    runner: Runner
    clock: Clock
    credentials: Path | None
    settings: Settings
    metadata_address: str = METADATA_ADDRESS
