"""DigitalOcean: the droplet metadata service, one answer.

Source: DigitalOcean, "Droplet Metadata API", ``/metadata/v1.json``.
"""

from __future__ import annotations

from cloud_config.planning.metadata import Metadata, address, cleaned_keys
from cloud_config.sources.jsonpath import at, items_at, text_at
from cloud_config.sources.seed import Parts, Seed, apart, given
from cloud_config.sources.service import Service


def read_service(service: Service) -> Seed | None:
    """The seed of a droplet, or ``None`` if the service has nothing.

    Raises:
        TransientFailure: no answer before the deadline.
    """
    parts = Parts()
    table = parts.read(lambda: service.table("/metadata/v1.json"), None)
    if table is None:
        if not parts.problems:
            return None
        # The answer is broken as a whole; what matters most can be had by itself.
        user_data = parts.read(lambda: apart(service.find("/metadata/v1/user-data")), None)
        return Seed(Metadata(source="digitalocean"), user_data, problems=parts.problems)
    public, private = (at(table, "interfaces", kind, 0) for kind in ("public", "private"))
    metadata = Metadata(
        source="digitalocean",
        instance_id=text_at(table, "droplet_id"),
        hostname=text_at(table, "hostname"),
        public_keys=cleaned_keys(items_at(table, "public_keys")),
        public_ipv4=address(text_at(public, "ipv4", "ip_address")),
        private_ipv4=address(text_at(private, "ipv4", "ip_address")),
        public_ipv6=address(text_at(public, "ipv6", "ip_address"), 6),
        private_ipv6=address(text_at(private, "ipv6", "ip_address"), 6),
    )
    text = at(table, "user_data")
    content = text.encode(errors="replace") if isinstance(text, str) else None
    return Seed(metadata, parts.read(lambda: given(content), None), problems=parts.problems)
