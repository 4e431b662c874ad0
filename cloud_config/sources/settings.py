"""How sources are asked, in TOML drop-ins; the image decides, an operator overrules.

Read in this order, a later file over an earlier one, key by key:
/usr/lib/cloud-config/config.d, /etc/cloud-config/config.d,
/run/cloud-config/config.d, each ``*.toml`` by name.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from hostio.files import config
from osmodel.faults import InvalidInput

_PLACES = ("usr/lib", "etc", "run")


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


def load(root: Path = Path("/")) -> Settings:
    """The merged settings below ``root``.

    Raises:
        InvalidInput: a file is not as declared; the message names it.
    """
    merged: dict[str, object] = {}
    names = []
    for place in _PLACES:
        for path in sorted((root / place / "cloud-config" / "config.d").glob("*.toml")):
            try:
                table = tomllib.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise InvalidInput(f"{path}: {error}") from error
            config.build(Settings, table, source=str(path))  # names the file at fault
            merged |= table
            names.append(str(path))
    return config.build(Settings, merged, source=", ".join(names) or "defaults")
