"""Hetzner Cloud: the metadata service.

Source: Hetzner Cloud API, "Server Metadata"; cloud-init 25.1, "Hetzner".
"""

from __future__ import annotations

from cloud_config.planning.metadata import Metadata, address, cleaned_keys
from cloud_config.sources.jsonpath import items_at, text_at
from cloud_config.sources.nocloud import parsed_yaml
from cloud_config.sources.seed import Seed, given
from cloud_config.sources.service import Service

_PLACE = "/hetzner/v1"


def read_service(service: Service) -> Seed | None:
    """The seed of a server, or ``None`` if the service has nothing.

    Raises:
        TransientFailure: no answer before the deadline.
        InvalidInput: the user data is too long.
        UntrustedData: the answer is broken, or a refusal.
    """
    content = service.find(f"{_PLACE}/metadata")
    if content is None:
        return None
    table = parsed_yaml(content, "hetzner: metadata")
    metadata = Metadata(
        source="hetzner",
        instance_id=text_at(table, "instance-id"),
        hostname=text_at(table, "hostname"),
        public_keys=cleaned_keys(items_at(table, "public-keys")),
        public_ipv4=address(text_at(table, "public-ipv4")),
        private_ipv4=address(_private(service)),
    )
    return Seed(metadata, given(service.find(f"{_PLACE}/userdata")))


def _private(service: Service) -> str:
    """Address in the first private network."""
    content = service.find(f"{_PLACE}/metadata/private-networks")
    networks = parsed_yaml(b"networks:\n" + (content or b""), "hetzner: private-networks")
    return text_at(networks, "networks", 0, "ip") if networks else ""
