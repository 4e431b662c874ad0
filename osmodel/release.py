"""What identifies a release: one set of fields, written in three places.

The metadata of the update repository, the manifest inside a payload and the
manifest beside a built image all carry the same fields, so each reader can
check that the thing it holds is the thing that was promised. Field names and
values are plain strings; an unknown field is ignored so that a later release
may add one.

The name of the image and the architecture become path components, therefore
their alphabet is closed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from osmodel.faults import InvalidInput
from osmodel.version import Version

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,30}[a-z0-9])?")
_ROOT_HASH = re.compile(r"[0-9a-f]{64}")
_REQUIRED = ("image", "architecture", "platform", "version", "root_hash")


@dataclass(frozen=True, slots=True)
class Release:
    """One version of one image for one kind of machine.

    Attributes:
        image: name of the image definition, e.g. ``minimal``.
        architecture: ``x86_64`` or ``arm64``.
        platform: how the machine boots, e.g. ``uefi``.
        version: the version number.
        root_hash: dm-verity root hash of the root file system, 64 hex digits.
        min_version: oldest version that can update to this one directly.
    """

    image: str
    architecture: str
    platform: str
    version: Version
    root_hash: str
    min_version: Version | None = None

    def __post_init__(self) -> None:
        for field in ("image", "architecture", "platform"):
            value = getattr(self, field)
            if _NAME.fullmatch(value) is None:
                raise InvalidInput(
                    f"{field} {value[:80]!r} is not a plain name",
                    hint="1 to 32 of a-z, 0-9, '-' and '_', with a letter or digit at both ends",
                )
        if _ROOT_HASH.fullmatch(self.root_hash) is None:
            raise InvalidInput(f"root_hash {self.root_hash[:80]!r} is not 64 hex digits")


def release_to_json(release: Release) -> dict[str, str]:
    """The fields as plain strings; the inverse of :func:`release_from_json`."""
    fields = {name: str(getattr(release, name)) for name in _REQUIRED}
    if release.min_version is not None:
        fields["min_version"] = str(release.min_version)
    return fields


def release_from_json(fields: Mapping[str, object]) -> Release:
    """Read the fields of a release; unknown ones are ignored.

    Raises:
        InvalidInput: a field is missing, not a string or malformed.
    """
    values = {name: _text(fields, name) for name in _REQUIRED}
    floor = _text(fields, "min_version") if "min_version" in fields else None
    return Release(
        image=values["image"],
        architecture=values["architecture"],
        platform=values["platform"],
        version=Version.parse(values["version"]),
        root_hash=values["root_hash"],
        min_version=None if floor is None else Version.parse(floor),
    )


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        problem = "is missing" if value is None else f"is not text: {value!r:.80}"
        raise InvalidInput(f"release: {name} {problem}")
    return value
