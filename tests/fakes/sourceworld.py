"""The world of the sources: a directory as root, real http on the loopback, fakes for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cloud_config.sources.settings import Settings
from cloud_config.sources.world import SourcesWorld
from hostio.disk.media import Media
from hostio.net.fetch import Fetcher
from hostio.net.plainhttp import PlainHttp
from hostio.system.clock import Clock
from hostio.system.runner import Runner
from tests.fakes.clock import StoppedClock
from tests.fakes.fetcher import RamFetcher
from tests.fakes.media import RamMedia
from tests.fakes.runner import ScriptedRunner


class Variables:
    """What a VMware host keeps; names without ``guestinfo.``."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def find(self, name: str) -> str | None:
        return self._values.get(name)


def source_world(  # noqa: PLR0913 - each is one port, all have defaults
    root: Path,
    *,
    media: Media | None = None,
    variables: Mapping[str, str] | None = None,
    fetcher: Callable[[], Fetcher] | None = None,
    runner: Runner | None = None,
    clock: Clock | None = None,
    credentials: Path | None = None,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    address: str = "http://127.0.0.1:9",
) -> SourcesWorld:
    clock = clock or StoppedClock()
    return SourcesWorld(
        root=root,
        media=media or RamMedia(),
        http=PlainHttp(clock),
        fetcher=fetcher or (lambda: RamFetcher({})),
        variables=Variables(variables),
        runner=runner or ScriptedRunner(),
        clock=clock,
        credentials=credentials,
        settings=settings,
        metadata_address=address,
    )


def firmware(root: Path, **strings: str) -> None:
    """Give the machine below ``root`` these strings of the SMBIOS tables."""
    tables = root / "sys" / "class" / "dmi" / "id"
    tables.mkdir(parents=True, exist_ok=True)
    for name, value in strings.items():
        (tables / name).write_text(f"{value}\n", encoding="utf-8")


def command_line(root: Path, text: str) -> None:
    """Give the machine below ``root`` this kernel command line."""
    (root / "proc").mkdir(parents=True, exist_ok=True)
    (root / "proc" / "cmdline").write_text(f"{text}\n", encoding="utf-8")
