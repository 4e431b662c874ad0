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
from pathlib import Path

from cloud_config.planning.metadata import Metadata, address, cleaned_keys
from cloud_config.sources.jsonpath import at, items_at, text_at
from cloud_config.sources.seed import Seed, given
from cloud_config.sources.service import Service, parsed_object
from hostio.disk.media import small_file

LABELS = ("config-2",)
_LATEST = "openstack/latest"
_LARGEST = 4 << 20  # bytes of one file

Files = Callable[[str], bytes | None]
"""Content of a file below ``openstack/latest`` by name, or ``None``."""


def read_directory(directory: Path) -> Seed | None:
    """The seed on a mounted config drive, or ``None`` if it has none.

    Raises:
        HostFailure: a file cannot be read.
        InvalidInput: the user data is too long.
        UntrustedData: a JSON file is broken.
    """
    return _seed(lambda name: small_file(directory / _LATEST / name, _LARGEST), "config-drive")


def read_service(service: Service) -> Seed | None:
    """The seed of the metadata service, or ``None`` if it has none.

    Raises:
        TransientFailure: no answer before the deadline.
        InvalidInput: the user data is too long.
        UntrustedData: an answer is broken, or a refusal.
    """
    seed = _seed(lambda name: service.find(f"/{_LATEST}/{name}"), "openstack")
    if seed is None:
        return None
    ec2 = Metadata(
        private_ipv4=address(service.text("/latest/meta-data/local-ipv4")),
        public_ipv4=address(service.text("/latest/meta-data/public-ipv4")),
    )
    return Seed(seed.metadata.completed_by(ec2), seed.user_data)


def _seed(files: Files, name: str) -> Seed | None:
    user_data, described = files("user_data"), files("meta_data.json")
    if user_data is None and described is None:
        return None
    table = {} if described is None else parsed_object(described, f"{name}: meta_data.json")
    network = files("network_data.json")
    networks = {} if network is None else parsed_object(network, f"{name}: network_data.json")
    metadata = Metadata(
        source=name,
        instance_id=text_at(table, "uuid"),
        hostname=text_at(table, "hostname") or text_at(table, "name"),
        public_keys=_keys(at(table, "public_keys")),
    )
    return Seed(metadata.completed_by(_addresses(networks)), given(user_data))


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
