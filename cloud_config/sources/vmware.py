"""VMware: variables that the host keeps for the guest ("guestinfo").

In this order: ``guestinfo.coreos.config.data`` as coreos-cloudinit reads it,
then ``guestinfo.userdata`` as cloud-init does; each may have an encoding in a
variable of the same name with ``.data.encoding`` or ``.encoding``. Metadata is
``guestinfo.metadata`` (JSON or YAML) and ``guestinfo.coreos.config.url`` is a
place to fetch the document from. What an OVF deployment sets is read from
``guestinfo.ovfEnv``.

Source: coreos-cloudinit, datasource/vmware; cloud-init 25.1, "VMware".
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from cloud_config.planning.metadata import Metadata, address, cleaned_keys
from cloud_config.sources.jsonpath import at, text_at
from cloud_config.sources.nocloud import parsed_yaml
from cloud_config.sources.seed import LARGEST_USER_DATA, Seed, from_base64, given
from hostio.net.guestrpc import GuestVariables
from osmodel.faults import InvalidInput, UntrustedData

_NAMES = (
    ("coreos.config.data", "coreos.config.data.encoding"),
    ("userdata", "userdata.encoding"),
)
_BASE64 = frozenset({"b64", "base64", "gz+b64", "gzip+b64", "gz+base64", "gzip+base64"})
_GZIP = frozenset({"gz", "gzip", "gz+b64", "gzip+b64", "gz+base64", "gzip+base64"})


def read_variables(variables: GuestVariables) -> Seed | None:
    """The seed in the guest's variables, or ``None`` if none of them is set.

    Raises:
        HostFailure: this machine cannot ask its host.
        TransientFailure: the host does not answer.
        InvalidInput: the user data is too long.
        UntrustedData: a variable is not in its encoding.
    """
    user_data = _user_data(variables)
    described = variables.find("metadata")
    environment = _ovf_properties(variables.find("ovfEnv") or "")
    url = (variables.find("coreos.config.url") or "").strip()
    if user_data is None and described is None and not environment and not url:
        return None
    if user_data is None:
        user_data = _ovf_user_data(environment)
    encoding = variables.find("metadata.encoding") or ""
    table = parsed_yaml(_decoded(described or "", encoding, "metadata"), "vmware: metadata")
    metadata = Metadata(
        source="vmware",
        instance_id=text_at(table, "instance-id") or environment.get("instance-id", ""),
        hostname=text_at(table, "local-hostname") or environment.get("hostname", ""),
        public_keys=cleaned_keys(_key_lines(table, environment)),
        private_ipv4=address(text_at(table, "local-ipv4")),
    )
    return Seed(metadata, given(user_data), url=url)


def _user_data(variables: GuestVariables) -> bytes | None:
    for name, encoding in _NAMES:
        value = variables.find(name)
        if value is not None and value.strip(" -\n"):  # hosts blank a value as "---"
            return _decoded(value, variables.find(encoding) or "", name)
    return None


def _key_lines(table: Mapping[str, object], environment: Mapping[str, str]) -> list[str]:
    value = at(table, "public-keys-data") or at(table, "public-keys")
    if isinstance(value, list):
        return [str(line) for line in value]
    text = value if isinstance(value, str) else environment.get("public-keys", "")
    return text.splitlines()


def _decoded(value: str, encoding: str, name: str) -> bytes:
    kind = encoding.strip().lower()
    if kind and kind not in _BASE64 | _GZIP:
        raise UntrustedData(f"vmware: {name}: unknown encoding {kind[:20]!r}")
    content = from_base64(value, f"vmware: {name}") if kind in _BASE64 else value.encode()
    return _unpacked(content, name) if kind in _GZIP else content


def _unpacked(content: bytes, name: str) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(content, LARGEST_USER_DATA + 1)
    except zlib.error as error:
        raise UntrustedData(f"vmware: {name}: not gzip") from error
    if len(plain) > LARGEST_USER_DATA:
        raise InvalidInput(f"vmware: {name}: unpacks to more than {LARGEST_USER_DATA} bytes")
    if not unpacker.eof:
        raise UntrustedData(f"vmware: {name}: gzip that ends early")
    return plain


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


def _ovf_user_data(environment: Mapping[str, str]) -> bytes | None:
    coreos = environment.get("guestinfo.coreos.config.data")
    if coreos:
        encoding = environment.get("guestinfo.coreos.config.data.encoding", "")
        return _decoded(coreos, encoding, "ovfEnv")
    text = environment.get("user-data")
    return None if text is None else from_base64(text, "vmware: ovfEnv user-data")
