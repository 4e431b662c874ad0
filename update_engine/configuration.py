"""Find and read the engine's configuration files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hostio.files.config import build, parse
from osmodel.faults import HostFailure, InvalidInput
from osmodel.uki import parse_os_release
from update_engine.settings import Fragment, Settings, from_update_conf, merge

DROP_INS = "update-engine/config.d"
_DIRECTORIES = ("usr/lib", "etc", "run")
_UPDATE_CONF = ("usr/share/coreos/update.conf", "etc/coreos/update.conf")
_UPDATE_CONF_NAME = "50-update.conf"
_NO_UPDATE = "usr/.noupdate"


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, and where each key was set.

    Attributes:
        settings: ready for use.
        origins: file by dotted key; keys at their default are not in it.
    """

    settings: Settings
    origins: Mapping[str, str]

    def lines(self) -> list[tuple[str, object, str]]:
        """Key, value and origin of every setting, in order."""
        return [
            (key, value, self.origins.get(key, "default"))
            for key, value in _flat(asdict(self.settings), "")
        ]


def read_configuration(root: Path = Path("/")) -> Configuration:
    """Read and merge every file below ``root``.

    Raises:
        InvalidInput: a file has an unknown key, a wrong type or bad syntax.
        HostFailure: a file cannot be read.
    """
    merged = merge([fragment for _, fragment in sorted(_fragments(root).items())])
    table, origins = dict(merged.table), dict(merged.origins)
    if (root / _NO_UPDATE).exists():
        # Set last: whoever built this image wanted no updates whatever is configured.
        off = merge(
            [
                Fragment("merged", table),
                Fragment(str(root / _NO_UPDATE), {"updates": {"enabled": False}}),
            ]
        )
        table, origins = dict(off.table), {**origins, "updates.enabled": str(root / _NO_UPDATE)}
    return Configuration(build(Settings, table, source="configuration"), origins)


def _fragments(root: Path) -> dict[str, Fragment]:
    """By name; a later directory replaces."""
    found: dict[str, Fragment] = {}
    for directory in _DIRECTORIES:
        for path in sorted((root / directory / DROP_INS).glob("*.toml")):
            if path.is_symlink() and str(path.readlink()) == "/dev/null":
                found.pop(path.name, None)
            else:
                found[path.name] = _read(path)
    return {**found, **_update_conf(root)}


def _read(path: Path) -> Fragment:
    """One file, checked on its own so that a message names it."""
    text = _text(path)
    parse(Settings, text, source=str(path))
    return Fragment(str(path), tomllib.loads(text))


def _update_conf(root: Path) -> dict[str, Fragment]:
    """Both files of CoreOS; /etc wins key by key, as it did there."""
    found: dict[str, Fragment] = {}
    for place, name in enumerate(_UPDATE_CONF):
        path = root / name
        if path.is_file():
            table = from_update_conf(parse_os_release(_text(path)))
            build(Settings, table, source=str(path))
            found[f"{_UPDATE_CONF_NAME}-{place}"] = Fragment(str(path), table)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error


def _flat(table: Mapping[str, object], prefix: str) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", value))
    return found
