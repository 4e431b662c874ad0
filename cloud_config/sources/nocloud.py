"""NoCloud: user data and metadata as files on a medium labelled ``cidata``.

``user-data`` and ``meta-data``, as cloud-init reads them; the label may be in
either case. ``vendor-data`` is not read. ``network-config`` is in a language of
other systems' network tools: it is reported, not followed; the ``network`` key
of a ``#cloud-config`` says the same here.

Source: cloud-init 25.1, "NoCloud" data source.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from cloud_config.planning.metadata import Metadata, cleaned_keys
from cloud_config.sources.jsonpath import at, items_at, text_at
from cloud_config.sources.seed import LARGEST_USER_DATA, Seed, given
from hostio.disk.media import small_file
from osmodel.faults import UntrustedData

LABELS = ("cidata",)
_LARGEST_METADATA = 256 << 10  # bytes


def read_directory(directory: Path, name: str = "nocloud") -> Seed | None:
    """The seed in ``directory``, or ``None`` if neither file is there.

    Args:
        directory: of a mounted medium, or one on the state partition.
        name: of the source.

    Raises:
        HostFailure: a file cannot be read.
        InvalidInput: the user data is too long.
        UntrustedData: the metadata is not a YAML mapping.
    """
    user_data = small_file(directory / "user-data", LARGEST_USER_DATA + 1)
    metadata = small_file(directory / "meta-data", _LARGEST_METADATA)
    if user_data is None and metadata is None:
        return None
    remarks = tuple(
        f"{name}: {other} is not read"
        for other in ("network-config", "vendor-data")
        if given(small_file(directory / other, _LARGEST_METADATA)) is not None
    )
    return Seed(parse_metadata(metadata or b"", name), given(user_data), remarks)


def parse_metadata(content: bytes, name: str) -> Metadata:
    """What a ``meta-data`` file says.

    Raises:
        UntrustedData: it is not a YAML mapping.
    """
    table = parsed_yaml(content, f"{name}: meta-data")
    return Metadata(
        source=name,
        instance_id=text_at(table, "instance-id"),
        hostname=text_at(table, "local-hostname") or text_at(table, "hostname"),
        public_keys=_keys(at(table, "public-keys")),
    )


def parsed_yaml(content: bytes, where: str) -> Mapping[str, object]:
    """A small YAML mapping; nothing at all is an empty one.

    Raises:
        UntrustedData: something else.
    """
    try:
        table = yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UntrustedData(f"{where}: not YAML") from error
    if table is None:
        return {}
    if not isinstance(table, dict):
        raise UntrustedData(f"{where}: not a YAML mapping")
    return table


def _keys(value: object) -> tuple[str, ...]:
    """Keys as a text of lines, a list, or a mapping as EC2 has it."""
    if isinstance(value, str):
        return cleaned_keys(value.splitlines())
    if isinstance(value, list):
        return cleaned_keys(value)
    if isinstance(value, dict):
        return cleaned_keys(
            line
            for entry in value.values()
            for line in (entry if isinstance(entry, list) else [entry])
        )
    return cleaned_keys(items_at(value))
