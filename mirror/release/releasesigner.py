"""Sign a payload of a built release, once it is seen to be of that release.

The manifest beside an image and the one inside its payload say the same. Were
they to differ, every host would download the payload and then refuse it, so
the mirror refuses it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mirror.release.builtrelease import BuiltPayload
from mirror.signing.keys import PrivateKey
from mirror.signing.payloadsigner import sign_payload
from osmodel.faults import HostFailure, UntrustedData
from osmodel.payload.layout import HEADER_SIZE, Header
from osmodel.payload.manifest import Manifest, release_of
from osmodel.release import Release


def sign_release(built: BuiltPayload, target: Path, keys: Sequence[PrivateKey]) -> None:
    """Write ``built`` to ``target``, signed by each of ``keys``.

    Raises:
        UntrustedData: not a payload, or of another release.
        InvalidInput: a key cannot sign payloads.
        HostFailure: a file cannot be read or written.
    """
    inside = release_in(built.path)
    if inside != built.release:
        raise UntrustedData(
            f"{built.path} is of {inside.image} {inside.version}"
            f" with root hash {inside.root_hash[:16]}...,"
            f" the manifest says {built.release.image} {built.release.version}"
            f" with {built.release.root_hash[:16]}...",
            hint="build the release again",
        )
    sign_payload(built.path, target, keys)


def release_in(payload: Path) -> Release:
    """The release a payload says it is of; signatures are not checked.

    Raises:
        UntrustedData: not a payload.
        HostFailure: it cannot be read.
    """
    try:
        with payload.open("rb") as file:
            header = Header.parse(file.read(HEADER_SIZE))
            return release_of(Manifest.parse(file.read(header.manifest_size)))
    except UntrustedData as fault:
        raise UntrustedData(f"{payload}: {fault}", hint=fault.hint) from fault
    except OSError as error:
        raise HostFailure(f"{payload}: {error.strerror}") from error
