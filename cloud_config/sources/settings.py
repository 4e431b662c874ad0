"""How sources are asked, in TOML drop-ins; the image decides, an operator overrules.

``cloud-config/config.d/*.toml`` below /usr/lib, /etc and /run; see
:mod:`hostio.files.dropins`. A start never depends on them being right.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hostio.files.dropins import Merged, read_drop_ins
from osmodel.faults import InvalidInput


@dataclass(frozen=True, slots=True)
class Settings:
    """Every key and its default.

    Attributes:
        allow_imds_v1: ask EC2's metadata service without a session token if it
            gives none. Off: an attacker who can make this machine fetch a
            URL could read its user data.
        deadline_s: seconds that all questions to one metadata service may take.
            Five minutes, as coreos-cloudinit waits.
        local_files: read cloud-config.yml and user-data from the boot partition.
    """

    allow_imds_v1: bool = False
    deadline_s: float = 300.0
    local_files: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.deadline_s <= 600:  # noqa: PLR2004 - a start that hangs is given up
            raise InvalidInput(f"deadline_s: from 1 to 600 seconds, got {self.deadline_s:g}")


def load(root: Path = Path("/")) -> Merged[Settings]:
    """The merged settings below ``root``, and what of them could not be used."""
    return read_drop_ins(Settings, "cloud-config", root=root)
