"""Read one source, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path

from cloud_config.planning.metadata import Metadata
from cloud_config.sources import (
    azure,
    digitalocean,
    ec2,
    gce,
    hetzner,
    nocloud,
    openstack,
    vmware,
)
from cloud_config.sources.choosing import Source
from cloud_config.sources.seed import LARGEST_USER_DATA, Parts, Seed, given
from cloud_config.sources.service import Service
from cloud_config.sources.world import SourcesWorld
from hostio.disk.media import small_file
from hostio.net.fetch import ResumingStream, shown
from osmodel.faults import Fault, HostFailure, InvalidInput

USER_DATA_CREDENTIAL = "cloud-config.user-data"
METADATA_CREDENTIAL = "cloud-config.meta-data"
STATE_DIRECTORY = Path("var/lib/cloud-config/seed")
STATE_FILE = Path("var/lib/coreos-install/user_data")
IMAGE_FILE = Path("usr/share/oem/cloud-config.yml")
BOOT_FILES = ("cloud-config.yml", "cloud-config.yaml", "user-data")

ReadDirectory = Callable[[Path], Seed | None]


def read(source: Source, world: SourcesWorld, *, url: str = "") -> Seed | None:
    """What a source has, or ``None`` if it is not there or has nothing.

    Args:
        source: one of those that were detected.
        world: how it is read.
        url: of the kernel command line, for the source of that name.

    Raises:
        Fault: it is there and cannot be read; which kind says why.
    """
    if source is Source.URL:
        return fetched(world, url, source)
    return _READERS[source](world)


def fetched(world: SourcesWorld, url: str, source: Source) -> Seed:
    """The document at a URL, with the time-outs of the fetcher.

    Raises:
        TransientFailure: it cannot be had.
        InvalidInput: not a URL, or too long.
        UntrustedData: a redirect from https to http.
    """
    content = b""
    with closing(ResumingStream(world.fetcher(), url, world.clock)) as stream:
        while piece := stream.read(LARGEST_USER_DATA + 1 - len(content)):
            content += piece
            if len(content) > LARGEST_USER_DATA:
                raise InvalidInput(f"{shown(url)}: more than {LARGEST_USER_DATA} bytes")
    return Seed(Metadata(source=source), given(content))


def _credential(world: SourcesWorld) -> Seed | None:
    directory = world.credentials
    if directory is None:
        return None
    return nocloud.from_files(
        lambda: small_file(directory / USER_DATA_CREDENTIAL, LARGEST_USER_DATA + 1),
        lambda: small_file(directory / METADATA_CREDENTIAL, nocloud.LARGEST_METADATA),
        Source.CREDENTIAL,
    )


def _nocloud(world: SourcesWorld) -> Seed | None:
    return _first_labelled(world, nocloud.LABELS, nocloud.read_directory)


def _config_drive(world: SourcesWorld) -> Seed | None:
    return _first_labelled(world, openstack.LABELS, openstack.read_directory)


def _first_labelled(
    world: SourcesWorld, labels: Iterable[str], read_it: ReadDirectory
) -> Seed | None:
    nodes = [node for label in labels for node in world.media.labelled(label)]
    return _first_on(world, nodes, read_it)


def _first_on(world: SourcesWorld, nodes: Iterable[Path], read_it: ReadDirectory) -> Seed | None:
    for node in nodes:
        with world.media.opened(node) as directory:
            seed = read_it(directory)
        if seed is not None:
            return seed
    return None


def _service(world: SourcesWorld) -> Service:
    deadline = world.clock.monotonic() + world.settings.deadline_s
    return Service(world.http, world.clock, world.metadata_address, deadline)


def _azure(world: SourcesWorld) -> Seed | None:
    parts = Parts()
    medium = None
    for node in world.media.optical():
        try:
            with world.media.opened(node) as directory:
                medium = medium or azure.read_directory(directory)
        except HostFailure:
            continue  # an empty drive
    try:
        service = azure.read_service(_service(world))
    except Fault as fault:
        if medium is None:
            raise
        parts.note(fault)
        service = None
    return azure.combined(medium, service, parts.problems)


def _ec2(world: SourcesWorld) -> Seed:
    return ec2.read_service(_service(world), allow_v1=world.settings.allow_imds_v1)


def _vmware(world: SourcesWorld) -> Seed | None:
    return vmware.read_variables(world.variables)


def _boot_partition(world: SourcesWorld) -> Seed | None:
    if not world.settings.local_files:
        return None
    return _first_on(world, world.media.boot_partition(), _boot_files)


def _boot_files(directory: Path) -> Seed | None:
    def user_data() -> bytes | None:
        contents = (small_file(directory / name, LARGEST_USER_DATA + 1) for name in BOOT_FILES)
        return next((content for content in contents if content and content.strip()), None)

    described = directory / "meta-data"
    return nocloud.from_files(
        user_data, lambda: small_file(described, nocloud.LARGEST_METADATA), Source.BOOT_PARTITION
    )


def _state(world: SourcesWorld) -> Seed | None:
    seed = nocloud.read_directory(world.root / STATE_DIRECTORY, Source.STATE)
    return seed or _file(world, STATE_FILE, Source.STATE)


def _image(world: SourcesWorld) -> Seed | None:
    return _file(world, IMAGE_FILE, Source.IMAGE)


def _file(world: SourcesWorld, path: Path, source: Source) -> Seed | None:
    content = given(small_file(world.root / path, LARGEST_USER_DATA + 1))
    return None if content is None else Seed(Metadata(source=source), content)


_READERS: Mapping[Source, Callable[[SourcesWorld], Seed | None]] = {
    Source.CREDENTIAL: _credential,
    Source.NOCLOUD: _nocloud,
    Source.CONFIG_DRIVE: _config_drive,
    Source.AZURE: _azure,
    Source.DIGITALOCEAN: lambda world: digitalocean.read_service(_service(world)),
    Source.EC2: _ec2,
    Source.GCE: lambda world: gce.read_service(_service(world)),
    Source.HETZNER: lambda world: hetzner.read_service(_service(world)),
    Source.OPENSTACK: lambda world: openstack.read_service(_service(world)),
    Source.VMWARE: _vmware,
    Source.BOOT_PARTITION: _boot_partition,
    Source.STATE: _state,
    Source.IMAGE: _image,
}
