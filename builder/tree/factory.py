"""What an image has below ``/var``, as instructions for the first boot.

``/var`` is on the state partition, which is empty on a new disk and keeps its
content over updates. So the image carries none of it: files move to
``/usr/share/factory/var`` and lines for systemd-tmpfiles make each directory,
file and link that is missing, at every boot, with its owner.
"""

from __future__ import annotations

import stat
from pathlib import Path

from builder.removal import remove_tree

FACTORY = Path("usr/share/factory/var")
RULES = Path("usr/lib/tmpfiles.d/twinkeel-var.conf")
_HEADER = "# What packages expect below /var; made when missing.\n"


def move_state(root: Path) -> None:
    """Empty ``/var`` of the tree into the factory and write the rules."""
    state = root / "var"
    known = _paths_with_rules(root)
    lines = []
    for path in sorted(state.rglob("*")):
        place = f"/{path.relative_to(root)}"
        if place not in known:
            lines.append(_rule(path, place))
        if path.is_file() and not path.is_symlink():
            target = root / FACTORY / path.relative_to(state)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    if lines:
        (root / RULES).parent.mkdir(parents=True, exist_ok=True)
        (root / RULES).write_text(_HEADER + "".join(lines))
    for path in sorted(state.iterdir()):
        remove_tree(path)


def _rule(path: Path, place: str) -> str:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return f"L {_escaped(place)} - - - - {path.readlink()!s}\n"
    kind = "d" if stat.S_ISDIR(status.st_mode) else "C"
    mode = stat.S_IMODE(status.st_mode)
    return f"{kind} {_escaped(place)} {mode:04o} {status.st_uid} {status.st_gid} -\n"


def _escaped(place: str) -> str:
    return place.replace("%", "%%").replace(" ", "\\x20")


def _paths_with_rules(root: Path) -> set[str]:
    """Paths that some package's rules make already."""
    found = set()
    for path in sorted((root / "usr/lib/tmpfiles.d").glob("*.conf")):
        for line in path.read_text().splitlines():
            kind, _, rest = line.partition(" ")
            if kind[:1] in {"d", "D", "q", "Q", "v", "C", "L", "f"}:
                found.add(rest.split()[0].rstrip("/"))
    return found
