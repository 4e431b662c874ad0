"""Which of this project's source files a piece of work runs, and a digest of them.

A cached result is stale when the code that made it changes. A list of modules
kept by hand goes out of date with the next import; so it is read from the
import statements themselves, those inside functions included. A module stands
for all of its code: what must not share a digest must not share a module.

Libraries of others count by their version. Python's own library does not: what
the builder uses of it gives the same bytes in every supported version.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

# Names that distributions give the packages we import, where they differ.
_DISTRIBUTIONS = {"elftools": "pyelftools", "yaml": "pyyaml", "dbus_fast": "dbus-fast"}


class Sources:
    """The packages of one checkout.

    Each file is read once: a digest is of the code as it was at the first look.

    Args:
        top: directory that holds the packages.
    """

    def __init__(self, top: Path) -> None:
        self._top = top
        self._texts: dict[str, bytes] = {}
        self._imports: dict[str, frozenset[str]] = {}

    def digest(self, module: str) -> str:
        """Digest of everything that importing ``module`` may execute: 64 hex digits."""
        total = hashlib.sha256()
        for name in self.closure(module):
            total.update(name.encode() + b"\0")
            content = self._text(name) if self._path(name) else _version(name).encode()
            total.update(hashlib.sha256(content).digest())
        return total.hexdigest()

    def closure(self, module: str) -> tuple[str, ...]:
        """``module``, and all that it imports, directly or not; sorted.

        Modules of this project are named whole, libraries of others by their
        top-level package.

        Raises:
            LookupError: there is no such module of this project.
        """
        if self._path(module) is None:
            raise LookupError(f"no module {module!r} below {self._top}")
        found: set[str] = set()
        todo = [module]
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += self._imported(name)
        return tuple(sorted(found))

    def _imported(self, name: str) -> frozenset[str]:
        if self._path(name) is None:
            return frozenset()
        if name not in self._imports:
            named = _named(self._text(name))
            candidates = {known for found in named for known in self._known(found)}
            self._imports[name] = frozenset(candidates | set(self._known(name)) - {name})
        return self._imports[name]

    def _known(self, name: str) -> Iterator[str]:
        """What importing ``name`` executes: a module is imported after its packages."""
        parts = name.split(".")
        if self._path(parts[0]) is None:
            if parts[0] not in sys.stdlib_module_names:
                yield parts[0]
            return
        for count in range(1, len(parts) + 1):
            prefix = ".".join(parts[:count])
            if self._path(prefix) is not None:
                yield prefix

    def _path(self, name: str) -> Path | None:
        place = self._top.joinpath(*name.split("."))
        found = (place / "__init__.py", place.with_suffix(".py"))
        return next((path for path in found if path.is_file()), None)

    def _text(self, name: str) -> bytes:
        if name not in self._texts:
            path = self._path(name)
            assert path is not None, name
            self._texts[name] = path.read_bytes()
        return self._texts[name]


OURS = Sources(Path(__file__).resolve().parents[1])
"""The packages that are running."""


@cache
def _named(text: bytes) -> frozenset[str]:
    """Dotted names in import statements; some name a member and not a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


@cache
def _version(package: str) -> str:
    try:
        return metadata.version(_DISTRIBUTIONS.get(package, package))
    except metadata.PackageNotFoundError as error:
        raise LookupError(f"package {package!r} is imported but not installed") from error
