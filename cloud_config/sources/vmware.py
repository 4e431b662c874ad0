"""VMware: variables that the host keeps for the guest ("guestinfo").

A variable is one of the host, or a property of the same name with ``guestinfo.``
before it that an OVF deployment sets, found in ``guestinfo.ovfEnv``. User data in
this order: ``coreos.config.data`` as coreos-cloudinit reads it, what is at
``coreos.config.url``, ``userdata`` as cloud-init does, the property
``user-data``; each may have an encoding in a variable with ``.encoding`` behind.
Metadata is ``hostname`` and ``interface.N.*`` of coreos-cloudinit, ``metadata``
(JSON or YAML) of cloud-init, and properties.

Source: coreos-cloudinit, datasource/vmware; cloud-init 25.1, "VMware".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from cloud_config.planning.metadata import Metadata, address, cleaned_keys
from cloud_config.sources import vmwarenetwork
from cloud_config.sources.jsonpath import at, text_at
from cloud_config.sources.nocloud import parsed_yaml
from cloud_config.sources.seed import Parts, Seed, decoded, from_base64, given
from hostio.net.guestrpc import GuestVariables
from osmodel.faults import UntrustedData


def read_variables(variables: GuestVariables) -> Seed | None:
    """The seed in the guest's variables, or ``None`` if none of them is set.

    Raises:
        HostFailure: this machine cannot ask its host.
        TransientFailure: the host does not answer.
    """
    text = variables.find("ovfEnv") or ""
    parts = Parts()
    nothing: Mapping[str, str] = {}
    properties = parts.read(lambda: _ovf_properties(text), nothing)
    known = _Variables(variables, properties)
    user_data = parts.read(lambda: _encoded(known, "coreos.config.data"), None)
    url = known.find("coreos.config.url") if user_data is None else ""
    if user_data is None and not url:
        user_data = parts.read(lambda: _encoded(known, "userdata"), None)
    if user_data is None and not url:
        user_data = parts.read(lambda: _property(properties), None)
    metadata = _metadata(known, parts)
    if user_data is None and not url and metadata == Metadata(source="vmware"):
        return Seed(metadata, problems=parts.problems) if parts.problems else None
    kept = parts.read(lambda: given(user_data), None)
    encoding = known.find("coreos.config.data.encoding") if url else ""
    return Seed(metadata, kept, problems=parts.problems, url=url, encoding=encoding)


@dataclass(frozen=True, slots=True)
class _Variables:
    """Variables of the host, and those that an OVF deployment set."""

    host: GuestVariables
    properties: Mapping[str, str]

    def find(self, name: str) -> str:
        """A value; empty if it is not set."""
        for value in (self.host.find(name), self.properties.get(f"guestinfo.{name}")):
            if value is not None and value.strip(" -\n"):  # hosts blank a value as "---"
                return value.strip() if "\n" not in value.strip() else value
        return ""


def _encoded(known: _Variables, name: str) -> bytes | None:
    value = known.find(name)
    if not value:
        return None
    encoding = known.find(f"{name}.encoding")
    return decoded(value.encode(errors="replace"), encoding, f"vmware: {name}")


def _property(properties: Mapping[str, str]) -> bytes | None:
    text = properties.get("user-data")
    return None if text is None else from_base64(text, "vmware: ovfEnv user-data")


def _metadata(known: _Variables, parts: Parts) -> Metadata:
    nothing: Mapping[str, object] = {}
    table = parts.read(lambda: _table(known), nothing)
    given_interfaces = vmwarenetwork.read_interfaces(known.find, parts)
    addresses = given_interfaces.addresses
    metadata = Metadata(
        source="vmware",
        instance_id=text_at(table, "instance-id") or known.properties.get("instance-id", ""),
        hostname=known.find("hostname")
        or text_at(table, "local-hostname")
        or known.properties.get("hostname", ""),
        public_keys=cleaned_keys(_key_lines(table, known.properties)),
        private_ipv4=address(text_at(table, "local-ipv4")),
        interfaces=given_interfaces.interfaces,
    )
    return addresses.completed_by(metadata)


def _table(known: _Variables) -> Mapping[str, object]:
    value = known.find("metadata")
    if not value:
        return {}
    content = decoded(value.encode(), known.find("metadata.encoding"), "vmware: metadata")
    return parsed_yaml(content, "vmware: metadata")


def _key_lines(table: Mapping[str, object], properties: Mapping[str, str]) -> list[str]:
    value = at(table, "public-keys-data") or at(table, "public-keys")
    if isinstance(value, list):
        return [str(line) for line in value]
    text = value if isinstance(value, str) else properties.get("public-keys", "")
    return text.splitlines()


def _ovf_properties(text: str) -> Mapping[str, str]:
    """Properties of an OVF environment, by key."""
    if not text.strip():
        return {}
    try:
        root = ET.fromstring(text)  # noqa: S314 - from the host, which could do worse
    except (ET.ParseError, ValueError, LookupError) as error:
        raise UntrustedData("vmware: ovfEnv is not XML") from error
    found = {}
    for element in root.iter():
        if element.tag.rpartition("}")[2] == "Property":
            named = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
            if named.get("value"):
                found[named.get("key", "")] = named["value"]
    return found
