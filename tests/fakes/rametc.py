"""The layers of /etc in memory."""

from collections.abc import Mapping

from hostio.files.etclayers import Kind, OwnEntry


class RamEtc:
    """An /etc without changes, until a test makes some.

    Attributes:
        below: text of the image's files.
        above: text of the machine's own; ``None`` where one was removed.
    """

    def __init__(self) -> None:
        self.below: dict[str, str] = {}
        self.above: dict[str, str | None] = {}
        self._stamps: dict[str, int] = {}

    def edit(self, path: str, text: str | None = "edited") -> None:
        """Change a file, remove it, or touch it."""
        self.above[path] = text
        self._stamps[path] = self._stamps.get(path, 0) + 1

    def own(self) -> Mapping[str, OwnEntry]:
        return {
            path: OwnEntry(Kind.REMOVED if text is None else Kind.FILE, str(self._stamps[path]))
            for path, text in self.above.items()
        }

    def image(self) -> Mapping[str, str]:
        return {path: f"digest of {text}" for path, text in self.below.items()}

    def texts(self, path: str) -> tuple[str, str]:
        below = self.below.get(path, "")
        return below, self.above.get(path, below) or ""
