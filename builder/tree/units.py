"""Which units run: presets, and links that an overlay brings.

systemctl itself applies the presets, to the tree, once; on a machine nothing is
enabled or disabled. A link of an overlay that enables, renames or masks a unit
says the same by hand, and counts after all presets: ``disable *`` does not take
it away.

A wish for a unit that is not there is refused, or a misspelt name would go
unseen.

Source: systemd.preset(5), systemd.unit(5) of systemd 257.
"""

from __future__ import annotations

import fnmatch
import os
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path

from builder.removal import remove_tree
from hostio.system.runner import Command, Runner
from osmodel.faults import InvalidInput

_LINKED = tuple(Path("etc/systemd") / kind for kind in ("system", "user"))
_UNITS = {
    kind: tuple(Path(top) / "systemd" / kind for top in ("etc", "usr/local/lib", "usr/lib"))
    for kind in ("system", "user")
}
_PRESETS = tuple(Path(top) / "systemd/system-preset" for top in ("etc", "usr/lib"))
_DEBIANS = "90-"  # presets of Debian's own, for units of packages that may be absent
_DROP_IN_LINKS = (".wants", ".requires", ".upholds")
_MASK = "/dev/null"


def enable(root: Path, overlays: Iterable[Path], tools: Runner) -> None:
    """Apply the presets of ``root`` and keep what its overlays link.

    Args:
        root: with all its overlays.
        overlays: that were laid over it.
        tools: runs systemctl; sees ``root``.

    Raises:
        InvalidInput: a preset or a link names a unit that is not there.
    """
    linked = {name: (root / name).readlink() for name in _links(root, overlays)}
    _check_presets(root)
    for name, target in linked.items():
        _check_link(root, name, target)
    tools.run(Command(["systemctl", f"--root={root}", "preset-all"]))
    for name, target in linked.items():
        remove_tree(root / name)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)


def _links(root: Path, overlays: Iterable[Path]) -> Iterator[Path]:
    """Links of overlays where systemctl keeps its own; a later overlay may replace one."""
    found = {
        path.relative_to(overlay)
        for overlay in overlays
        for place in _LINKED
        for path in (overlay / place).rglob("*")
        if path.is_symlink()
    }
    return (name for name in sorted(found) if (root / name).is_symlink())


def _check_link(root: Path, name: Path, target: Path) -> None:
    if str(target) == _MASK or name.suffix in _DROP_IN_LINKS:
        return
    if name.parent.suffix in _DROP_IN_LINKS:
        # systemd goes by the link's own name.
        wanted, known = name.name, _exists(name.name, _units(root, name.parts[2]))
    else:
        wanted = str(target)
        place = posixpath.normpath(posixpath.join("/", name.parent, target))
        known = os.path.lexists(root / place[1:])
    if not known:
        raise InvalidInput(f"{name}: no such unit: {wanted!r}")


def _check_presets(root: Path) -> None:
    units = _units(root, "system")
    for path in sorted(path for place in _PRESETS for path in (root / place).glob("*.preset")):
        if path.name.startswith(_DEBIANS) or not path.is_file():
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            words = line.decode(errors="surrogateescape").split()
            if not words or words[0][0] in "#;":
                continue
            _check_rule(words, units, f"{path.relative_to(root)}:{number}")


def _check_rule(words: list[str], units: set[str], place: str) -> None:
    """Check one rule: a verb, a pattern and, after ``enable``, instances of a template."""
    verb, *names = words
    if verb not in ("enable", "disable", "ignore") or not names or (names[1:] and verb != "enable"):
        raise InvalidInput(f"{place}: not a rule of a preset: {' '.join(words)!r}")
    if verb != "enable":
        return
    pattern, *instances = names
    if not fnmatch.filter(units, pattern) and not _exists(pattern, units):
        raise InvalidInput(f"{place}: no such unit: {pattern!r}")
    if instances and "@." not in pattern:
        raise InvalidInput(f"{place}: only a template has instances: {pattern!r}")


def _exists(name: str, units: set[str]) -> bool:
    """Whether there is such a unit, or the template it is an instance of."""
    stem, at, rest = name.partition("@")
    template = f"{stem}@.{rest.rpartition('.')[2]}" if at else name
    return bool({name, template} & units)


def _units(root: Path, kind: str) -> set[str]:
    places = (root / place for place in _UNITS[kind])
    return {path.name for place in places if place.is_dir() for path in place.iterdir()}
