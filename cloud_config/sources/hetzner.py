"""Hetzner Cloud: the metadata service.

Source: Hetzner Cloud API, "Server Metadata"; cloud-init 25.1, "Hetzner".
"""

from __future__ import annotations

from collections.abc import Mapping

from cloud_config.planning.metadata import Metadata, address, cleaned_keys
from cloud_config.sources.jsonpath import items_at, text_at
from cloud_config.sources.nocloud import parsed_yaml
from cloud_config.sources.seed import Parts, Seed, given
from cloud_config.sources.service import Service

_PLACE = "/hetzner/v1"


def read_service(service: Service) -> Seed | None:
    """The seed of a server, or ``None`` if the service has nothing.

    Raises:
        TransientFailure: no answer before the deadline.
    """
    parts = Parts()
    user_data = parts.read(lambda: given(service.find(f"{_PLACE}/userdata")), None)
    content = parts.read(lambda: service.find(f"{_PLACE}/metadata"), None)
    if content is None and user_data is None and not parts.problems:
        return None
    nothing: Mapping[str, object] = {}
    table = parts.read(lambda: parsed_yaml(content or b"", "hetzner: metadata"), nothing)
    metadata = Metadata(
        source="hetzner",
        instance_id=text_at(table, "instance-id"),
        hostname=text_at(table, "hostname"),
        public_keys=cleaned_keys(items_at(table, "public-keys")),
        public_ipv4=address(text_at(table, "public-ipv4")),
        private_ipv4=address(parts.read(lambda: _private(service), "")),
    )
    return Seed(metadata, user_data, problems=parts.problems)


def _private(service: Service) -> str:
    """Address in the first private network."""
    content = service.find(f"{_PLACE}/metadata/private-networks")
    networks = parsed_yaml(b"networks:\n" + (content or b""), "hetzner: private-networks")
    return text_at(networks, "networks", 0, "ip") if networks else ""
