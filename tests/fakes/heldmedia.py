"""Disks that exist on paper only."""

from pathlib import Path

from hostio.disk.blockinfo import Medium
from osmodel.faults import InvalidInput


class HeldMedia:
    """Knows the media it was given."""

    def __init__(self, *media: Medium) -> None:
        self._media = {medium.node: medium for medium in media}
        self.scanned: list[Path] = []

    def look(self, node: Path) -> Medium:
        if node not in self._media:
            raise InvalidInput(f"{node}: not a block device")
        return self._media[node]

    def scan(self, node: Path) -> None:
        self.scanned.append(node)
