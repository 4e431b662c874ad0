"""What the start of a machine runs: ``boot-step local`` and ``boot-step network``.

``local`` runs before the network is configured and reads the local datasources. If
the platform's service or a URL has to be asked first, or addresses are wanted
that only the network brings, it queues ``network``, which runs once the network
is up. Most machines never need that.

A document, a source or a setting that is broken is reported on the console and in
the status and is no failure of this unit: such a machine shall come up. It fails
for what is a fault of this system alone, so that an update which breaks it is
not kept.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from cloud_config.apply.world import ApplyWorld
from cloud_config.planning.metadata import Metadata
from cloud_config.sources import settings
from cloud_config.sources.choosing import Stage
from cloud_config.sources.detect import detect, own_addresses
from cloud_config.sources.gathering import Gathered, gather, with_own_addresses
from cloud_config.sources.world import SourcesWorld
from hostio.disk.media import MountedMedia
from hostio.files.dropins import Severity
from hostio.files.preallocated import PreallocatedFile
from hostio.files.statefiles import TextFile, VolatileFile
from hostio.net.fetch import Fetcher
from hostio.net.guestrpc import VsockVariables
from hostio.net.plainhttp import PlainHttp
from hostio.system.clock import SystemClock
from hostio.system.runner import Command, LocalRunner
from hostio.system.syscalls import KernelMounts
from osmodel.faults import Fault

NETWORK_UNIT = "cloud-config-network.service"
METADATA = Path("/run/cloud-config/metadata.json")
_MEDIUM = Path("/run/cloud-config/medium")  # mounted there while it is read
REMEMBERED = Path("/var/lib/cloud-config/metadata.json")

_log = logging.getLogger("cloud-config")


@dataclass(frozen=True, slots=True)
class BootWorld:
    """Everything the start touches.

    Attributes:
        sources: what is read.
        machine: what is configured; made when there is something to configure.
        metadata: what the platform said in this start, for the commands.
        remembered: the same, of the last start whose network was up.
    """

    sources: SourcesWorld
    machine: Callable[[], ApplyWorld]
    metadata: TextFile
    remembered: TextFile


def run(stage: Stage, world: BootWorld) -> None:
    """One stage of the start.

    Raises:
        HostFailure: this machine cannot do it.
    """
    detected = detect(world.sources.root)
    found = gather(world.sources, detected, stage)
    if found.user_data is None and found.waits_for is not None:
        _log.info("source=%s is asked once the network is up", found.waits_for)
        _queue_network_stage(world)
        return
    if found.is_empty and not found.problems:
        _log.info("no source has anything for this machine")
        return
    configuring = _configuring()
    if found.is_empty:
        report = configuring.report_nothing(found, world.machine())
        _complain(report.errors)
        return
    _log.info("source=%s instance=%s", found.source, found.metadata.instance_id)
    found = _completed(found, stage, world)
    _keep_metadata(found.metadata, world)
    before = _remembered(found.metadata, stage, world.remembered)
    report, is_early = configuring.configure(
        found, stage, world.machine(), world.sources.root, before
    )
    if report.errors:
        _log.error("some of it is not in force: see `cloud-config status`")
    if is_early:
        _queue_network_stage(world)


def _completed(found: Gathered, stage: Stage, world: BootWorld) -> Gathered:
    if stage is Stage.LOCAL:
        return found
    own = own_addresses(world.sources.runner)
    return replace(found, metadata=with_own_addresses(found.metadata, own))


def _remembered(metadata: Metadata, stage: Stage, file: TextFile) -> Metadata:
    """Metadata of the last start with a network; kept when this one has it."""
    try:
        text = file.read()
        before = Metadata() if text is None else Metadata.from_json(text)
        if stage is Stage.NETWORK and metadata != before:
            file.write(metadata.as_json())
    except Fault as fault:
        _log.warning("the last start's addresses are not known: %s", fault)
        return Metadata()
    return before


def _keep_metadata(metadata: Metadata, world: BootWorld) -> None:
    """For the commands; a machine that has no room for it is configured all the same."""
    try:
        world.metadata.write(metadata.as_json())
    except Fault as fault:
        _log.error("what the platform said is not kept for this boot: %s", fault)


def _queue_network_stage(world: BootWorld) -> None:
    start = ("systemctl", "start", "--no-block", NETWORK_UNIT)
    world.sources.runner.run(Command(start, timeout=60))


def _configuring() -> ModuleType:
    return importlib.import_module("cloud_config.configuring")


def _complain(errors: Sequence[str]) -> None:
    for line in errors:
        _log.error("%s", line)


def _settings() -> settings.Settings:
    """The settings; what cannot be used of them is reported and left at its default."""
    merged = settings.load()
    for problem in merged.problems:
        level = logging.ERROR if problem.severity is Severity.ERROR else logging.WARNING
        _log.log(level, "%s", problem.text)
    return merged.values


def _fetcher() -> Fetcher:
    # The full client takes longer to load than all the rest together.
    fetch = importlib.import_module("hostio.net.httpfetch")
    fetcher: Fetcher = fetch.HttpFetcher(SystemClock())
    return fetcher


def local_world() -> BootWorld:
    """This machine."""
    clock, runner = SystemClock(), LocalRunner()
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    sources = SourcesWorld(
        root=Path("/"),
        media=MountedMedia(KernelMounts(), runner, mount_point=_MEDIUM),
        http=PlainHttp(clock),
        fetcher=_fetcher,
        variables=VsockVariables(),
        runner=runner,
        clock=clock,
        credentials=None if credentials is None else Path(credentials),
        settings=_settings(),
    )

    def machine() -> ApplyWorld:
        made: ApplyWorld = importlib.import_module("cloud_config.apply.machine").machine(
            runner, clock
        )
        return made

    return BootWorld(sources, machine, VolatileFile(METADATA), PreallocatedFile(REMEMBERED))


def _log_to_the_journal() -> None:
    """Errors to standard error, which is the console as well; the rest to standard output."""
    errors = logging.StreamHandler(sys.stderr)
    errors.setLevel(logging.ERROR)
    others = logging.StreamHandler(sys.stdout)
    others.addFilter(lambda record: record.levelno < logging.ERROR)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[errors, others])
    errors.setFormatter(logging.Formatter("<3>%(message)s"))


def main() -> int:
    """Entry point of both units."""
    _log_to_the_journal()
    try:
        run(Stage(sys.argv[1]), local_world())
    except Fault as fault:
        _log.error("%s", fault)
        return fault.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
