"""Which kernel modules a device needs, from the lists that depmod writes.

Source: kmod 34, modules.dep(5) and tools/depmod.c for the alias list.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple


class Alias(NamedTuple):
    """A pattern for device ids and the module that drives them.

    Attributes:
        prefix: the pattern up to its first wild card; tells most ids apart
            without the cost of a whole match.
        pattern: as in ``fnmatch``.
        module: name of the module.
    """

    prefix: str
    pattern: str
    module: str


class ModuleIndex(NamedTuple):
    """The modules of one kernel.

    Attributes:
        files: path of each module by name, as written in modules.dep.
        needs: for each module the names it needs, in the order of modules.dep.
        aliases: device id patterns.
    """

    files: dict[str, str]
    needs: dict[str, tuple[str, ...]]
    aliases: tuple[Alias, ...]

    def load_order(self, name: str) -> list[str]:
        """Files to load for a module, what it needs first; empty if unknown."""
        if name not in self.files:
            return []
        # modules.dep names the nearest need first, so loading goes backwards.
        return [self.files[need] for need in (*reversed(self.needs[name]), name)]

    def drivers_of(self, device_id: str) -> list[str]:
        """Modules that drive a device, by the text of its ``modalias`` file."""
        return [
            alias.module
            for alias in self.aliases
            if device_id.startswith(alias.prefix) and fnmatchcase(device_id, alias.pattern)
        ]


def module_name(path: str) -> str:
    """Name of a module from its file name: dashes are underscores."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def parse_index(dependencies: str, aliases: str = "") -> ModuleIndex:
    """Read modules.dep and modules.alias; lines of another shape are skipped."""
    files: dict[str, str] = {}
    needs: dict[str, tuple[str, ...]] = {}
    for line in dependencies.splitlines():
        path, found, rest = line.partition(":")
        if found:
            files[module_name(path)] = path
            needs[module_name(path)] = tuple(map(module_name, rest.split()))
    return ModuleIndex(files, needs, tuple(_parse_aliases(aliases)))


def _parse_aliases(text: str) -> list[Alias]:
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "alias":  # noqa: PLR2004 - "alias PATTERN MODULE"
            _, pattern, module = words
            prefix_end = min((pattern.find(c) for c in "*?[" if c in pattern), default=None)
            found.append(Alias(pattern[:prefix_end], pattern, module.replace("-", "_")))
    return found
