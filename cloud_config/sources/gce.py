"""Google Compute Engine: the metadata server.

Everything is one answer. Keys are those whose user is ``core``: the platform
keeps keys for many users, and this system makes no users by them.

Source: Compute Engine, "About VM metadata", "Predefined metadata keys".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cloud_config.planning.metadata import Metadata, address, cleaned_keys
from cloud_config.sources.jsonpath import at, text_at
from cloud_config.sources.seed import Parts, Seed, apart, from_base64, given
from cloud_config.sources.service import Service, parsed_object
from osmodel.faults import UntrustedData

_EVERYTHING = "/computeMetadata/v1/?recursive=true&alt=json"
_USER_DATA = "/computeMetadata/v1/instance/attributes/user-data"
_FLAVOR = "metadata-flavor"
_KEY_USER = "core"


def read_service(service: Service) -> Seed:
    """The seed of an instance.

    Raises:
        TransientFailure: no answer before the deadline.
        UntrustedData: another server answers.
    """
    service = replace(service, headers={"Metadata-Flavor": "Google"})
    answer = service.ask(_EVERYTHING)
    if answer is None or answer.headers.get(_FLAVOR, "").lower() != "google":
        raise UntrustedData("gce: what answers is not the metadata server")
    parts = Parts()
    tree = parts.read(lambda: parsed_object(answer.body, "gce: metadata"), None)
    if tree is None:
        # The answer is broken as a whole; what matters most can be had by itself.
        user_data = parts.read(lambda: apart(service.find(_USER_DATA)), None)
        return Seed(Metadata(source="gce"), user_data, problems=parts.problems)
    interface = at(tree, "instance", "networkInterfaces", 0)
    metadata = Metadata(
        source="gce",
        instance_id=text_at(tree, "instance", "id"),
        hostname=text_at(tree, "instance", "hostname"),
        public_keys=cleaned_keys(_keys(tree)),
        private_ipv4=address(text_at(interface, "ip")),
        public_ipv4=address(text_at(interface, "accessConfigs", 0, "externalIp")),
        public_ipv6=address(text_at(interface, "ipv6AccessConfigs", 0, "externalIpv6"), 6),
        private_ipv6=address(text_at(interface, "ipv6", 0), 6),
    )
    user_data = parts.read(lambda: given(_user_data(tree)), None)
    return Seed(metadata, user_data, problems=parts.problems)


def _user_data(tree: object) -> bytes | None:
    attributes = at(tree, "instance", "attributes")
    text = at(attributes, "user-data")
    if not isinstance(text, str):
        return None
    if text_at(attributes, "user-data-encoding") != "base64":
        return text.encode()
    return from_base64(text, "gce: user-data, whose user-data-encoding is base64")


def _keys(tree: object) -> Iterator[str]:
    """Keys in lines ``USER:KEY`` of the instance and, unless blocked, the project."""
    places = [("instance", "ssh-keys")]
    if text_at(tree, "instance", "attributes", "block-project-ssh-keys").lower() != "true":
        places.append(("project", "ssh-keys"))
    for owner, name in places:
        for line in text_at(tree, owner, "attributes", name).splitlines():
            user, _, key = line.strip().partition(":")
            # Keys with an expiry would have to be taken away again in time.
            if user == _KEY_USER and " google-ssh " not in key:
                yield key
