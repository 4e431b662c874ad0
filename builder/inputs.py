"""What a step reads: each input is both a value and the digest that names it.

A step's function gets the values of its inputs and nothing else, and its key is
made of their identities; so no step can read what its key does not name.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from builder import sourcecode
from builder.image import sparsefile

_KEY_DIGITS = 32


@runtime_checkable
class Input(Protocol):
    """Something other than a plain value."""

    @property
    def identity(self) -> object:
        """What names the content, as JSON values; known before anything runs."""
        ...

    def value(self) -> object:
        """What the step's function is given; asked for when the step runs."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """A value that says nothing about its content, such as a path, and a digest that does.

    Attributes:
        held: the value.
        identity: JSON values that name it.
    """

    held: object
    identity: object

    def value(self) -> object:
        """See :meth:`Input.value`."""
        return self.held


@dataclass(frozen=True, slots=True)
class Derived:
    """A value that a function makes of other inputs, too small to be a step.

    Attributes:
        function: a function of a module; gets the inputs by name.
        inputs: as those of a step.
    """

    function: Callable[..., object]
    inputs: Mapping[str, object]
    identity: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", digest(work_identity(self.function, self.inputs)))

    def value(self) -> object:
        """See :meth:`Input.value`."""
        return self.function(**values_of(self.inputs))


OWN_KEY = Named(None, "the step's own key")
"""Stands for the key of the step that it is an input of."""


def directory(path: Path) -> Named:
    """The tree below ``path``."""
    return Named(path, tree_digest(path))


def file(path: Path | None) -> Named:
    """The content of a file, or that there is none."""
    return Named(path, "" if path is None else sparsefile.sha256(path))


def work_identity(function: Callable[..., object], inputs: Mapping[str, object]) -> list[object]:
    """What names the result of a function: its code, and what it is given."""
    code = sourcecode.OURS.digest(function.__module__)
    return [f"{function.__module__}:{function.__qualname__}", code, identity_of(inputs)]


def identity_of(value: object) -> object:
    """JSON values that name an input or a plain value.

    Raises:
        TypeError: the value does not say what it stands for, as a path does.
    """
    if isinstance(value, Input):
        return value.identity
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [identity_of(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): identity_of(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
        return [type(value).__name__, identity_of(fields)]
    raise TypeError(f"not an input of a step: {value!r}")


def values_of(inputs: Mapping[str, object]) -> dict[str, object]:
    """The values by name."""
    return {name: _value_of(item) for name, item in inputs.items()}


def _value_of(item: object) -> object:
    if item is OWN_KEY:
        return item
    if isinstance(item, Input):
        return item.value()
    if isinstance(item, Mapping):
        return values_of(item)
    if isinstance(item, tuple):
        return tuple(_value_of(part) for part in item)
    return item


def digest(parts: object) -> str:
    """Name of some JSON values in the cache: 32 hex digits."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]


def tree_digest(root: Path) -> str:
    """Digest of names, kinds, execute permissions and contents below ``root``.

    Owners, times and the finer permissions are left out: a checkout does not
    keep them, so nothing made from it may depend on them.
    """
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if "__pycache__" in path.parts:
            continue
        status = path.lstat()
        content = ""
        if stat.S_ISLNK(status.st_mode):
            content = str(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            content = sparsefile.sha256(path)
        mark = "x" if status.st_mode & stat.S_IXUSR else "-"
        line = [path.relative_to(root).as_posix(), stat.S_IFMT(status.st_mode), mark, content]
        total.update(os.fsencode(json.dumps(line)) + b"\n")
    return total.hexdigest()
