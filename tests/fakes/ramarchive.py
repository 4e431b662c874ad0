"""Records kept in memory."""

from tests.fakes.ramdisk import Power


class RamArchive:
    """The fake of ``hostio.files.statefiles.Archive``."""

    def __init__(self, power: Power | None = None) -> None:
        self._power = power or Power()
        self.records: dict[str, dict[str, bytes]] = {}

    def keep(self, record: str, name: str, content: bytes) -> str:
        self._power.touch("var")
        self.records.setdefault(record, {})[name] = content
        return f"/failures/{record}"

    def prune(self, newest: int) -> None:
        for record in list(self.records)[: max(len(self.records) - newest, 0)]:
            del self.records[record]
