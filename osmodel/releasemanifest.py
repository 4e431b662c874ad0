"""The manifest of a release: what ``build-image`` left in a directory, and from what.

``manifest.json`` is written last, beside the files it lists. It is read by
what boots, publishes or measures a release, so its form is defined here and
nowhere else. Values that are present must have their form; keys this module
does not know are ignored, so that a later builder may add one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from osmodel.faults import InvalidInput
from osmodel.release import Release, release_from_json, release_to_json

FILE_NAME = "manifest.json"
FULL_PAYLOAD = "full.payload"
LICENSE = "Apache-2.0"
"""SPDX expression for what is in a release and comes from no package."""

LONGEST = 64 << 20  # bytes; a manifest lists every package and file

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[A-Za-z0-9_+~-][A-Za-z0-9._+~-]{0,199}")
_LARGEST = (1 << 63) - 1

Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """One file of a release.

    Attributes:
        size: bytes.
        sha256: 64 hex digits.
        source: of a delta payload, the root hash of the release it changes;
            ``None`` for every other file.
    """

    size: int
    sha256: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the image."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a release was made from.

    Attributes:
        key: digest over everything.
        lock: digest of the package lock.
        tools: digest of the tools tree.
        epoch: seconds since 1970 that files carry as their time.
        steps: key of each step, by its name.
    """

    key: str
    lock: str
    tools: str
    epoch: int
    steps: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReleaseManifest:
    """All of ``manifest.json``.

    Attributes:
        release: what was built.
        files: each file beside the manifest, by its name.
        packages: what the image consists of, sorted by name.
        kernel: release of the kernel, as ``uname -r`` prints it.
        inputs: what it was made from.
        closure: report of the check that no library is missing.
    """

    release: Release
    files: Mapping[str, ReleaseFile]
    packages: Sequence[Package] = ()
    kernel: str = ""
    inputs: Inputs | None = None
    closure: Mapping[str, object] = field(default_factory=dict)

    @property
    def payloads(self) -> Mapping[str, ReleaseFile]:
        """The files a machine can be updated with: the full payload, and deltas."""
        return {
            name: file
            for name, file in self.files.items()
            if name == FULL_PAYLOAD or file.source is not None
        }

    def encode(self) -> bytes:
        """The bytes in the file; the inverse of :meth:`parse`."""
        document: dict[str, object] = {
            "release": release_to_json(self.release),
            "license": LICENSE,
            "files": {name: _file_to_json(file) for name, file in self.files.items()},
            "packages": [{"name": one.name, "version": one.version} for one in self.packages],
            "kernel": self.kernel,
            "closure": self.closure,
        }
        if self.inputs is not None:
            document["inputs"] = {
                "key": self.inputs.key,
                "lock": self.inputs.lock,
                "tools": self.inputs.tools,
                "epoch": self.inputs.epoch,
                "steps": dict(self.inputs.steps),
            }
        return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode("ascii")

    @classmethod
    def parse(cls, data: bytes) -> ReleaseManifest:
        """Read a manifest.

        Raises:
            InvalidInput: not JSON, or a value is missing or has another form.
        """
        if len(data) > LONGEST:
            raise InvalidInput(f"more than {LONGEST} bytes")
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"not JSON: {error}") from error
        if not isinstance(document, dict):
            raise InvalidInput("expected an object")
        inputs = document.get("inputs")
        return cls(
            release_from_json(_value(document, "release", dict)),
            {
                name: _file(name, _row(row, f"files: {name}"))
                for name, row in _value(document, "files", dict).items()
            },
            tuple(_package(one) for one in _value({"packages": [], **document}, "packages", list)),
            _value({"kernel": "", **document}, "kernel", str),
            None if inputs is None else _inputs(_row(inputs, "inputs")),
            _value({"closure": {}, **document}, "closure", dict),
        )


def _file_to_json(file: ReleaseFile) -> dict[str, object]:
    row: dict[str, object] = {"size": file.size, "sha256": file.sha256}
    return row if file.source is None else {**row, "source": file.source}


def _file(name: str, row: Mapping[str, object]) -> ReleaseFile:
    # The name becomes part of a path beside the manifest and must stay there.
    if _FILE.fullmatch(name) is None:
        raise InvalidInput(f"files: {name[:80]!r} is not a plain file name")
    size, sha256, source = row.get("size"), row.get("sha256"), row.get("source")
    if type(size) is not int or not 0 <= size <= _LARGEST or not _is_digest(sha256):
        raise InvalidInput(f"files: {name}: expected size and sha256")
    if source is not None and (name == FULL_PAYLOAD or not _is_digest(source)):
        raise InvalidInput(f"files: {name}: source {source!r:.80} is not a root hash of a delta")
    return ReleaseFile(size, str(sha256), None if source is None else str(source))


def _package(value: object) -> Package:
    row = _row(value, "packages")
    return Package(_value(row, "name", str), _value(row, "version", str))


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _inputs(row: Mapping[str, object]) -> Inputs:
    steps = _value(row, "steps", dict)
    return Inputs(
        _value(row, "key", str),
        _value(row, "lock", str),
        _value(row, "tools", str),
        _value(row, "epoch", int),
        {name: _value(steps, name, str) for name in steps},
    )


def _row(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where}: expected an object, got {value!r:.80}")
    return value


def _value(table: Mapping[str, object], key: str, kind: type[Kind]) -> Kind:
    value = table.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        problem = "is missing" if value is None else f"has another form: {value!r:.80}"
        raise InvalidInput(f"{key} {problem}")
    return value
