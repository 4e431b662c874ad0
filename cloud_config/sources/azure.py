"""Azure: ``ovf-env.xml`` on the provisioning medium, and the metadata service.

The medium has the custom data, the name and the keys of the user that was asked
for; it is there until an operator takes it out. The service knows the addresses
and the instance, and has "user data", which may be changed later. Custom data
wins over user data. Keys go to ``core``, whatever user the portal was given, and
its password is not used.

Source: Azure Instance Metadata Service (api-version 2021-08-01); cloud-init
25.1, sources/azure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from cloud_config.planning.metadata import Metadata, address, cleaned_keys
from cloud_config.sources.jsonpath import at, items_at, text_at
from cloud_config.sources.seed import Parts, Seed, apart, from_base64, given
from cloud_config.sources.service import Service
from hostio.disk.media import small_file
from osmodel.faults import UntrustedData

_INSTANCE = "/metadata/instance?api-version=2021-08-01"
_USER_DATA = "/metadata/instance/compute/userData?api-version=2021-08-01&format=text"
_LARGEST = 4 << 20  # bytes of ovf-env.xml


def read_service(service: Service) -> Seed | None:
    """What the metadata service says, or ``None`` if it says nothing.

    Raises:
        TransientFailure: no answer before the deadline.
    """
    service = replace(service, headers={"Metadata": "true"})
    parts = Parts()
    table = parts.read(lambda: service.table(_INSTANCE), None)
    if table is None:
        if not parts.problems:
            return None
        # The answer is broken as a whole; what matters most can be had by itself.
        text = parts.read(lambda: service.text(_USER_DATA), "")
        user_data = parts.read(lambda: apart(from_base64(text, "azure: userData")), None)
        return Seed(Metadata(source="azure"), user_data, problems=parts.problems)
    compute, interface = at(table, "compute"), at(table, "network", "interface", 0)
    ipv4, ipv6 = (at(interface, kind, "ipAddress", 0) for kind in ("ipv4", "ipv6"))
    metadata = Metadata(
        source="azure",
        instance_id=text_at(compute, "vmId"),
        hostname=text_at(compute, "osProfile", "computerName") or text_at(compute, "name"),
        public_keys=cleaned_keys(
            text_at(key, "keyData").replace("\r\n", "") for key in items_at(compute, "publicKeys")
        ),
        private_ipv4=address(text_at(ipv4, "privateIpAddress")),
        public_ipv4=address(text_at(ipv4, "publicIpAddress")),
        private_ipv6=address(text_at(ipv6, "privateIpAddress"), 6),
        public_ipv6=address(text_at(ipv6, "publicIpAddress"), 6),
    )
    packed = text_at(compute, "userData")
    user_data = parts.read(lambda: given(from_base64(packed, "azure: userData")), None)
    return Seed(metadata, user_data, problems=parts.problems)


def read_directory(directory: Path) -> Seed | None:
    """What a mounted provisioning medium says, or ``None`` if it is no such medium."""
    parts = Parts()
    content = parts.read(lambda: small_file(directory / "ovf-env.xml", _LARGEST), None)
    if content is None and not parts.problems:
        return None
    root = parts.read(
        lambda: _parsed(b"<Environment/>" if content is None else content),
        ET.Element("Environment"),
    )
    metadata = Metadata(
        source="azure",
        hostname=next(_texts(root, "HostName"), ""),
        public_keys=cleaned_keys(
            value for key in _elements(root, "PublicKey") for value in _texts(key, "Value")
        ),
    )
    custom = next(_texts(root, "CustomData"), "")
    user_data = parts.read(lambda: given(from_base64(custom, "azure: CustomData")), None)
    return Seed(metadata, user_data, problems=parts.problems)


def _parsed(content: bytes) -> ET.Element:
    try:
        # Expat bounds the expansion of entities; the file is bounded above.
        return ET.fromstring(content)  # noqa: S314 - see above
    except (ET.ParseError, ValueError, LookupError) as error:
        raise UntrustedData("azure: ovf-env.xml is not XML") from error


def combined(
    medium: Seed | None, service: Seed | None, problems: tuple[str, ...] = ()
) -> Seed | None:
    """Both together; what the medium says goes first."""
    if medium is None and service is not None:
        return replace(service, is_forgetful=service.user_data is None)
    if medium is None:
        return None
    problems = (*medium.problems, *problems)
    if service is None:
        return replace(medium, problems=problems)
    user_data = service.user_data if medium.user_data is None else medium.user_data
    metadata = medium.metadata.completed_by(service.metadata)
    return Seed(metadata, user_data, problems=(*problems, *service.problems))


def _elements(root: ET.Element, name: str) -> Iterator[ET.Element]:
    """Elements by local name: the namespace prefix varies."""
    return (element for element in root.iter() if element.tag.rpartition("}")[2] == name)


def _texts(root: ET.Element, name: str) -> Iterator[str]:
    return (element.text.strip() for element in _elements(root, name) if element.text)
