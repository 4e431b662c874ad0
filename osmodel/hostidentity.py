"""What an image says about itself to the programs on it.

``/usr/lib/twinkeel/identity.json`` is part of the verified root, so it cannot
disagree with what runs; the root hash comes from the kernel command line, which
is part of the kernel image that opened that root.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from osmodel.faults import InvalidInput, UntrustedData
from osmodel.uki import root_hash_of
from osmodel.version import Version

PATH = "/usr/lib/twinkeel/identity.json"


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """One running machine.

    Attributes:
        image: name of the image definition.
        architecture: ``x86_64`` or ``arm64``.
        platform: how it boots, e.g. ``uefi``.
        version: of the image.
        root_hash: of the running root, 64 hex digits.
        boot_id: the kernel's id of this start.
    """

    image: str
    architecture: str
    platform: str
    version: Version
    root_hash: str
    boot_id: str


def identify_host(identity: str, command_line: str, boot_id: str) -> HostIdentity:
    """Put together what the image, the kernel and this start say.

    Args:
        identity: content of ``identity.json``.
        command_line: content of ``/proc/cmdline``.
        boot_id: content of ``/proc/sys/kernel/random/boot_id``.

    Raises:
        InvalidInput: not a machine of ours, or a damaged identity.
    """
    try:
        fields = json.loads(identity)
        image, architecture, platform, version = (
            str(fields[name]) for name in ("image", "architecture", "platform", "version")
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{PATH}: damaged: {error!r:.100}") from error
    try:
        root_hash = root_hash_of(command_line)
    except UntrustedData as error:
        raise InvalidInput(
            f"not started from a verified slot: {error}",
            hint="this program works on a machine that was booted from an image of this project",
        ) from error
    return HostIdentity(
        image, architecture, platform, Version.parse(version), root_hash, boot_id.strip()
    )
