"""OpenStack: a config drive, or the metadata service with the same files.

The drive has the label ``config-2`` and the files below ``openstack/latest``:
``user_data``, ``meta_data.json`` and ``network_data.json``. Other platforms
write such drives too. Addresses are those that ``network_data.json`` states;
what comes by DHCP the machine finds out itself.

Source: OpenStack Nova, "Metadata", "Config drives"; network_data.json schema.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from cloud_config.planning.metadata import Metadata, address, cleaned_keys
from cloud_config.sources.jsonpath import at, items_at, text_at
from cloud_config.sources.seed import Parts, Seed, given
from cloud_config.sources.service import Service, parsed_object
from hostio.disk.media import small_file

LABELS = ("config-2",)
_LATEST = "openstack/latest"
_LARGEST = 4 << 20  # bytes of one file

Files = Callable[[str], bytes | None]
"""Content of a file below ``openstack/latest`` by name, or ``None``."""


def read_directory(directory: Path) -> Seed | None:
    """The seed on a mounted config drive, or ``None`` if it has none."""
    parts = Parts()
    return _seed(
        lambda name: small_file(directory / _LATEST / name, _LARGEST), "config-drive", parts
    )


def read_service(service: Service) -> Seed | None:
    """The seed of the metadata service, or ``None`` if it has none.

    Raises:
        TransientFailure: no answer before the deadline.
    """
    parts = Parts()
    seed = _seed(lambda name: service.find(f"/{_LATEST}/{name}"), "openstack", parts)
    if seed is None:
        return None

    def text(name: str) -> str:
        return parts.read(lambda: service.text(f"/latest/meta-data/{name}"), "")

    ec2 = Metadata(
        private_ipv4=address(text("local-ipv4")), public_ipv4=address(text("public-ipv4"))
    )
    metadata = seed.metadata.completed_by(ec2)
    return replace(seed, metadata=metadata, problems=parts.problems)


def _seed(files: Files, name: str, parts: Parts) -> Seed | None:
    content = parts.read(lambda: files("user_data"), None)
    user_data = parts.read(lambda: given(content), None)
    described = parts.read(lambda: files("meta_data.json"), None)
    if content is None and described is None and not parts.problems:
        return None

    def table(content: bytes | None, file: str) -> Mapping[str, object]:
        # A file without anything in it says nothing, and that is no mistake.
        said = given(content)
        return {} if said is None else parsed_object(said, f"{name}: {file}")

    nothing: Mapping[str, object] = {}
    said = parts.read(lambda: table(described, "meta_data.json"), nothing)
    networks = parts.read(lambda: table(files("network_data.json"), "network_data.json"), nothing)
    metadata = Metadata(
        source=name,
        instance_id=text_at(said, "uuid"),
        hostname=text_at(said, "hostname") or text_at(said, "name"),
        public_keys=_keys(at(said, "public_keys")),
    )
    return Seed(metadata.completed_by(_addresses(networks)), user_data, problems=parts.problems)


def _keys(value: object) -> tuple[str, ...]:
    return cleaned_keys(value.values()) if isinstance(value, dict) else ()


def _addresses(networks: Mapping[str, object]) -> Metadata:
    """The first stated address of each kind."""
    found: dict[str, str] = {}
    for network in items_at(networks, "networks"):
        for version in (4, 6):
            text = address(text_at(network, "ip_address"), version)
            if text:
                reach = "public" if ipaddress.ip_address(text).is_global else "private"
                found.setdefault(f"{reach}_ipv{version}", text)
    return Metadata(
        public_ipv4=found.get("public_ipv4", ""),
        private_ipv4=found.get("private_ipv4", ""),
        public_ipv6=found.get("public_ipv6", ""),
        private_ipv6=found.get("private_ipv6", ""),
    )
