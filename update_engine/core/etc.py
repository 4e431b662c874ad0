"""What an edited file of /etc means when a new version brings another one.

A file that this machine has changed is the machine's: no version touches it, and
no version merges into it. So the machine must be told when the image's file has
become another one since: its settings may be wanted, or its mistake mended.

For each own file the image's file of that time is kept by digest. "That time" is
the boot before the edit was first seen, since a version that was just started
has edited nothing yet. An edit later on, also by ``touch``, counts as having
looked at it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from osmodel.faults import InvalidInput

_NONE = ""  # the image has no such file


class Since(StrEnum):
    """What became of the image's file since this machine changed its own."""

    SAME = "same"
    CHANGED = "changed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of the machine's own, as it was seen at a boot.

    Attributes:
        stamp: of the entry.
        image: digest of the image's file then; ``None`` if that is not known.
        version: that the digest is of.
    """

    stamp: str
    image: str | None
    version: str


@dataclass(frozen=True, slots=True)
class EtcRecord:
    """What is kept of /etc from boot to boot.

    Attributes:
        version: that was recorded last; empty before the first time.
        image: digest of each file of that version.
        edits: by path.
    """

    version: str = ""
    image: Mapping[str, str] = field(default_factory=dict)
    edits: Mapping[str, Edit] = field(default_factory=dict)

    def recorded(self, version: str, image: Mapping[str, str], own: Mapping[str, str]) -> EtcRecord:
        """The record after a boot of ``version``.

        Args:
            version: that runs.
            image: digest of each of its files.
            own: stamp of each entry that the machine has in place of one.
        """
        return EtcRecord(version, image, {path: self._edit(path, own[path]) for path in own})

    def since(self, path: str, stamp: str, image: Mapping[str, str]) -> tuple[Since, str]:
        """What became of the image's file, and the version it was compared with."""
        edit = self.edits.get(path)
        if edit is None or edit.stamp != stamp:
            return Since.SAME, ""  # edited while this version ran
        if edit.image is None:
            return Since.UNKNOWN, ""
        same = edit.image == image.get(path, _NONE)
        return (Since.SAME if same else Since.CHANGED), edit.version

    def _edit(self, path: str, stamp: str) -> Edit:
        known = self.edits.get(path)
        if known is not None and known.stamp == stamp:
            return known
        before = self.image.get(path, _NONE) if self.version else None
        return Edit(stamp, before, self.version)


def encode(record: EtcRecord) -> str:
    """One line of JSON."""
    return json.dumps(asdict(record), separators=(",", ":"), sort_keys=True) + "\n"


def parse(text: str) -> EtcRecord:
    """The record in a file.

    Raises:
        InvalidInput: not a record; it is begun anew.
    """
    try:
        fields = json.loads(text)
        return EtcRecord(
            str(fields["version"]),
            {str(path): str(digest) for path, digest in fields["image"].items()},
            {
                str(path): Edit(
                    str(edit["stamp"]),
                    None if edit["image"] is None else str(edit["image"]),
                    str(edit["version"]),
                )
                for path, edit in fields["edits"].items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInput(f"not a record of /etc: {error}") from error
