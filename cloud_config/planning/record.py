"""What this program wrote on a machine, and for which key of the document.

Kept before anything is written and again afterwards, so that at every moment it
names all that may lie around: a file whose content matches is ours and can be
taken away, one that differs was changed by hand and stays. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from cloud_config.document.jsontext import parsed
from osmodel.faults import UntrustedData

FORMAT = 1


def of_digest(digest: str) -> str:
    """The fingerprint of a file; ``digest`` is SHA-256 in hex."""
    return f"file:{digest}"


def of_content(content: bytes) -> str:
    """The fingerprint of a file with this content."""
    return of_digest(hashlib.sha256(content).hexdigest())


def of_link(target: str) -> str:
    """The fingerprint of a symbolic link."""
    return f"link:{target}"


@dataclass(frozen=True, slots=True)
class Written:
    """A file or link of ours.

    Attributes:
        origin: key of the document.
        fingerprints: what it may hold; more than one while a run is under way.
    """

    origin: str
    fingerprints: tuple[str, ...]

    def may_be(self, fingerprint: str) -> bool:
        """Whether something with this fingerprint is ours."""
        return fingerprint in self.fingerprints


@dataclass(frozen=True, slots=True)
class Enabled:
    """A unit that was not enabled before we did it."""

    origin: str
    runtime: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """All that was done and can be undone.

    Attributes:
        files: by path.
        keys: origins of authorized keys, by user.
        enabled: by unit name.
        defaults: fingerprints of files that have the image's content again, by
            path: our copy hides the image's, so it follows that at updates.
    """

    files: Mapping[str, Written] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    enabled: Mapping[str, Enabled] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)

    def with_file(self, path: str, written: Written) -> Record:
        """With one more file, or another state of it."""
        defaults = {at: mark for at, mark in self.defaults.items() if at != path}
        return replace(self, files={**self.files, path: written}, defaults=defaults)

    def with_possible_file(self, path: str, origin: str, fingerprint: str) -> Record:
        """With a file that is about to be written over what it holds."""
        before = self.files[path].fingerprints if path in self.files else ()
        possible = tuple(dict.fromkeys((fingerprint, *before)))
        return self.with_file(path, Written(origin, possible))

    def without_file(self, path: str, default: str = "") -> Record:
        """Without a file; ``default`` is the fingerprint of the image's in its place."""
        files = {at: written for at, written in self.files.items() if at != path}
        defaults = {at: mark for at, mark in self.defaults.items() if at != path}
        if default:
            defaults[path] = default
        return replace(self, files=files, defaults=defaults)

    def with_keys(self, user: str, origin: str) -> Record:
        """With keys of an origin in a user's file."""
        origins = tuple(dict.fromkeys((*self.keys.get(user, ()), origin)))
        return replace(self, keys={**self.keys, user: origins})

    def without_keys(self, user: str, origin: str) -> Record:
        """Without the keys of an origin."""
        left = tuple(one for one in self.keys.get(user, ()) if one != origin)
        others = {name: origins for name, origins in self.keys.items() if name != user}
        return replace(self, keys={**others, user: left} if left else others)

    def with_enabled(self, name: str, enabled: Enabled) -> Record:
        """With a unit that we enabled."""
        return replace(self, enabled={**self.enabled, name: enabled})

    def without_enabled(self, name: str) -> Record:
        """Without it."""
        left = {unit: enabled for unit, enabled in self.enabled.items() if unit != name}
        return replace(self, enabled=left)

    def as_json(self) -> str:
        """Text for the state file, the same for the same record."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read what :meth:`as_json` wrote.

        Raises:
            UntrustedData: something else.
        """
        try:
            table = parsed(text)
            if table["format"] != FORMAT:
                raise UntrustedData(f"record of format {table['format']!r}, expected {FORMAT}")
            return cls(
                {
                    str(path): Written(str(one["origin"]), tuple(map(str, one["fingerprints"])))
                    for path, one in table["files"].items()
                },
                {str(user): tuple(map(str, keys)) for user, keys in table["keys"].items()},
                {
                    str(unit): Enabled(str(one["origin"]), bool(one["runtime"]))
                    for unit, one in table["enabled"].items()
                },
                {str(path): str(mark) for path, mark in table["defaults"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UntrustedData("not a record of what was written") from error
