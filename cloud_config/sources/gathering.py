"""Go through this machine's sources until it is known what it shall be.

A source that fails is reported and passed over, a part of one that fails as well:
what is left, or the next source, may still make the machine reachable.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cloud_config.planning.metadata import Metadata
from cloud_config.sources import reading
from cloud_config.sources.choosing import Source, Stage, sources_of, stage_of
from cloud_config.sources.detect import Detected
from cloud_config.sources.seed import Seed, decoded, described, given
from cloud_config.sources.world import SourcesWorld
from osmodel.faults import Fault


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the sources gave.

    Attributes:
        metadata: completed over the sources; it always has an instance id.
        user_data: the document, a script or an archive of them; a secret.
        source: of the user data, or of the metadata where there is no user data.
        problems: one line for each source that could not be read.
        remarks: one line for each part that was there and is not used.
        waits_for: the source that has to be asked over the network first.
        is_forgetful: whether user data of an earlier start still count.
        is_partial: whether metadata could not be read, so that the instance id is
            only that of the machine.
    """

    metadata: Metadata
    user_data: bytes | None = field(default=None, repr=False)
    source: str = ""
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    waits_for: Source | None = None
    is_forgetful: bool = False
    is_partial: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no source had anything."""
        return not self.source


def gather(world: SourcesWorld, detected: Detected, stage: Stage) -> Gathered:
    """Read the sources in their order, as far as the stage allows."""
    found = Gathered(Metadata())
    for source in sources_of(detected):
        if stage is Stage.LOCAL and stage_of(source) is Stage.NETWORK:
            found = replace(found, waits_for=source)
            break
        try:
            seed = reading.read(source, world, url=detected.url)
        except Fault as fault:
            found = _with_problem(found, source, described(fault))
            continue
        if seed is None:
            continue
        if seed.user_data is None and seed.url:
            if stage is Stage.LOCAL:
                found = replace(found, waits_for=source)
                break
            seed = _with_document(seed, source, world)
        found = _with(found, source, seed)
        if found.user_data is not None:
            break
    is_partial = bool(found.problems) and not found.metadata.instance_id
    known = Metadata(instance_id=detected.instance_id)
    return replace(found, metadata=found.metadata.completed_by(known), is_partial=is_partial)


def _with_document(seed: Seed, source: Source, world: SourcesWorld) -> Seed:
    """The seed with what is at its URL; a document that cannot be had leaves the metadata."""
    try:
        content = reading.fetched(world, seed.url, source).user_data
        document = given(decoded(content or b"", seed.encoding, "what is at the URL"))
    except Fault as fault:
        return replace(seed, url="", problems=(*seed.problems, described(fault)))
    return replace(seed, user_data=document)


def _with_problem(found: Gathered, source: Source, text: str) -> Gathered:
    named = text if text.startswith(f"{source}: ") else f"{source}: {text}"
    return replace(found, problems=(*found.problems, named))


def _with(found: Gathered, source: Source, seed: Seed) -> Gathered:
    for problem in seed.problems:
        found = _with_problem(found, source, problem)
    if seed.problems and seed.is_empty:
        return found
    has_document = seed.user_data is not None
    return replace(
        found,
        metadata=found.metadata.completed_by(seed.metadata),
        user_data=seed.user_data,
        source=source if has_document or not found.source else found.source,
        remarks=(*found.remarks, *seed.remarks),
        is_forgetful=(found.is_forgetful or seed.is_forgetful) and not has_document,
    )


def with_own_addresses(metadata: Metadata, own: Metadata) -> Metadata:
    """Metadata with the machine's own addresses where its source leaves them open.

    A service of the platform that names any address has named all there are: a
    machine without a public address must not believe that it has one.
    """
    said_by_service = metadata.source in {
        source for source in Source if stage_of(source) is Stage.NETWORK
    }
    if said_by_service and metadata.addresses:
        return metadata
    return metadata.completed_by(
        Metadata(
            public_ipv4=own.public_ipv4,
            private_ipv4=own.private_ipv4,
            public_ipv6=own.public_ipv6,
            private_ipv6=own.private_ipv6,
        )
    )
