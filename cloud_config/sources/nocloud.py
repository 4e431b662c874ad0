"""NoCloud: user data and metadata as files on a medium labelled ``cidata``.

``user-data`` and ``meta-data``, as cloud-init reads them; the label may be in
either case. ``vendor-data`` is not read. ``network-config`` is in a language of
other systems' network tools: it is reported, not followed; the ``network`` key
of a ``#cloud-config`` says the same here.

Source: cloud-init 25.1, "NoCloud" data source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import yaml

from cloud_config.planning.metadata import Metadata, cleaned_keys
from cloud_config.sources.jsonpath import at, items_at, text_at
from cloud_config.sources.seed import LARGEST_USER_DATA, Parts, Seed, given
from hostio.disk.media import small_file
from osmodel.faults import UntrustedData

LABELS = ("cidata",)
LARGEST_METADATA = 256 << 10  # bytes
Content = Callable[[], bytes | None]


def read_directory(directory: Path, name: str = "nocloud") -> Seed | None:
    """The seed in ``directory``, or ``None`` if neither file is there.

    Args:
        directory: of a mounted medium, or one on the state partition.
        name: of the source.
    """
    seed = from_files(
        lambda: small_file(directory / "user-data", LARGEST_USER_DATA + 1),
        lambda: small_file(directory / "meta-data", LARGEST_METADATA),
        name,
    )
    if seed is None:
        return None
    parts = Parts()
    remarks = tuple(
        f"{name}: {other} is not read"
        for other in ("network-config", "vendor-data")
        if parts.read(partial(_is_there, directory / other), False)  # noqa: FBT003 - a value
    )
    return replace(seed, remarks=remarks)


def _is_there(file: Path) -> bool:
    content = small_file(file, LARGEST_METADATA)
    return content is not None and bool(content.strip())


def from_files(user_data: Content, metadata: Content, name: str) -> Seed | None:
    """The seed in two files of NoCloud's form, or ``None`` if neither is there.

    Args:
        user_data: reads the one.
        metadata: reads the other.
        name: of the source.
    """
    parts = Parts()
    content = parts.read(user_data, None)
    described = parts.read(metadata, None)
    if content is None and described is None and not parts.problems:
        return None
    kept = parts.read(lambda: given(content), None)
    said = parts.read(lambda: parse_metadata(described or b"", name), Metadata(source=name))
    return Seed(said, kept, problems=parts.problems)


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
