"""Platforms as their documentation and their answers show them.

Each is strict about what it is strict about in life: tokens, headers, versions.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.fakes.metadata.service import NOT_FOUND, Asked, Reply, found

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVzZXIta2V5LWZvci10ZXN0cy1vbmx5 operator"
USER_DATA = b"#cloud-config\nhostname: by-user-data\n"


@dataclass
class Ec2:
    """Amazon's instance metadata service.

    Attributes:
        tokens: whether version 2 is enabled; ``required``: whether only it is.
    """

    user_data: bytes | None = USER_DATA
    tokens: bool = True
    required: bool = True
    extra: Mapping[str, str] = field(default_factory=dict)
    token: str = "AQAEAKPHbM1o_bb0jlKx3F3aTkV"

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/latest/api/token":
            return self._token(asked)
        if "x-forwarded-for" in asked.headers:
            return Reply(403)
        given = asked.headers.get("x-aws-ec2-metadata-token")
        if given not in ({self.token} if self.required else {self.token, None}):
            return Reply(401)
        if asked.path == "/latest/user-data":
            if self.user_data is None:
                return NOT_FOUND
            return found(self.user_data, "application/octet-stream")
        item = asked.path.removeprefix("/latest/meta-data/")
        items = {
            "instance-id": "i-0123456789abcdef0",
            "local-hostname": "ip-10-0-0-7.eu-central-1.compute.internal",
            "local-ipv4": "10.0.0.7",
            "public-ipv4": "203.0.113.7",
            "public-keys/": "0=operator",
            "public-keys/0/": "openssh-key",
            "public-keys/0/openssh-key": KEY + "\n",
            **self.extra,
        }
        return found(items[item]) if item in items else NOT_FOUND

    def _token(self, asked: Asked) -> Reply:
        if not self.tokens:
            return NOT_FOUND
        if asked.method != "PUT":
            return Reply(405)
        lifetime = asked.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if not (lifetime.isdecimal() and 1 <= int(lifetime) <= 21600):
            return Reply(400)
        return found(self.token)


@dataclass
class Gce:
    """Google's metadata server."""

    attributes: Mapping[str, str] = field(
        default_factory=lambda: {"user-data": USER_DATA.decode(), "ssh-keys": f"core:{KEY}"}
    )
    project: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Reply:
        flavor = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
        if asked.headers.get("metadata-flavor") != "Google":
            return Reply(403, b"missing required header", flavor)
        if asked.path != "/computeMetadata/v1/?recursive=true&alt=json":
            return Reply(404, b"", flavor)
        tree = {
            "instance": {
                "id": 6789012345678901234,
                "hostname": "one.europe-west3-a.c.project.internal",
                "attributes": dict(self.attributes),
                "networkInterfaces": [
                    {"ip": "10.156.0.2", "accessConfigs": [{"externalIp": "203.0.113.8"}]}
                ],
            },
            "project": {"attributes": dict(self.project)},
        }
        return Reply(200, json.dumps(tree).encode(), flavor)


@dataclass
class Azure:
    """Azure's instance metadata service."""

    user_data: bytes = USER_DATA

    def __call__(self, asked: Asked) -> Reply:
        if asked.headers.get("metadata") != "true":
            return Reply(400, b'{"error": "Bad request. Required metadata header not specified"}')
        if asked.path != "/metadata/instance?api-version=2021-08-01":
            return Reply(400, b'{"error": "Bad request. api-version is invalid"}')
        tree = {
            "compute": {
                "vmId": "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
                "name": "one",
                "osProfile": {"computerName": "one"},
                "publicKeys": [
                    {"keyData": KEY + "\r\n", "path": "/home/operator/.ssh/authorized_keys"}
                ],
                "userData": base64.b64encode(self.user_data).decode(),
            },
            "network": {
                "interface": [
                    {
                        "ipv4": {
                            "ipAddress": [
                                {"privateIpAddress": "10.1.0.4", "publicIpAddress": "203.0.113.9"}
                            ]
                        },
                        "ipv6": {"ipAddress": []},
                    }
                ]
            },
        }
        return found(json.dumps(tree), "application/json; charset=utf-8")


OVF_ENVIRONMENT = """<?xml version="1.0" encoding="utf-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1"
 xmlns:oe="http://schemas.dmtf.org/ovf/environment/1"
 xmlns:wa="http://schemas.microsoft.com/windowsazure"
 xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
 <wa:ProvisioningSection><wa:Version>1.0</wa:Version>
  <LinuxProvisioningConfigurationSet xmlns="http://schemas.microsoft.com/windowsazure">
   <ConfigurationSetType>LinuxProvisioningConfiguration</ConfigurationSetType>
   <HostName>from-the-medium</HostName>
   <UserName>operator</UserName>
   <UserPassword>not for us</UserPassword>
   <CustomData>{custom_data}</CustomData>
   <SSH><PublicKeys><PublicKey>
    <Fingerprint>EB0C0AB4B2D5FC35F2F0658D19F44C8283E2DD62</Fingerprint>
    <Path>/home/operator/.ssh/authorized_keys</Path><Value>{key}</Value>
   </PublicKey></PublicKeys></SSH>
  </LinuxProvisioningConfigurationSet>
 </wa:ProvisioningSection>
</Environment>
"""


def ovf_environment(custom_data: bytes) -> bytes:
    """``ovf-env.xml`` of Azure's provisioning medium."""
    text = OVF_ENVIRONMENT.format(custom_data=base64.b64encode(custom_data).decode(), key=KEY)
    return text.encode()


METADATA_JSON = {
    "uuid": "d8e02d56-2648-49a3-bf97-6be8f1204f38",
    "name": "one",
    "hostname": "one.novalocal",
    "public_keys": {"operator": KEY + "\n"},
    "keys": [{"data": KEY, "type": "ssh", "name": "operator"}],
    "availability_zone": "nova",
}
NETWORK_JSON = {
    "links": [{"id": "tap1", "type": "ovs", "ethernet_mac_address": "fa:16:3e:9c:bf:3d"}],
    "networks": [
        {"id": "network0", "link": "tap1", "type": "ipv4_dhcp"},
        {"id": "network1", "link": "tap1", "type": "ipv4", "ip_address": "10.2.0.5"},
        {"id": "network2", "link": "tap1", "type": "ipv6", "ip_address": "2a02:1234::5/64"},
    ],
}


@dataclass
class OpenStack:
    """Nova's metadata service, with its EC2 side."""

    user_data: bytes | None = USER_DATA

    def __call__(self, asked: Asked) -> Reply:
        files: dict[str, bytes | None] = {
            "/openstack/latest/user_data": self.user_data,
            "/openstack/latest/meta_data.json": json.dumps(METADATA_JSON).encode(),
            "/openstack/latest/network_data.json": json.dumps(NETWORK_JSON).encode(),
            "/latest/meta-data/local-ipv4": b"10.2.0.5",
            "/latest/meta-data/public-ipv4": b"203.0.113.10",
        }
        body = files.get(asked.path)
        return NOT_FOUND if body is None else found(body)


@dataclass
class DigitalOcean:
    """The droplet metadata service."""

    user_data: str | None = USER_DATA.decode()

    def __call__(self, asked: Asked) -> Reply:
        if asked.path != "/metadata/v1.json":
            return Reply(404, b"not found\n")
        tree = {
            "droplet_id": 2756294,
            "hostname": "one",
            "vendor_data": "#cloud-config\ndisable_root: false\n",
            "public_keys": [KEY],
            "region": "nyc3",
            "interfaces": {
                "private": [{"ipv4": {"ip_address": "10.132.255.113"}, "type": "private"}],
                "public": [
                    {
                        "ipv4": {"ip_address": "203.0.113.11"},
                        "ipv6": {"ip_address": "2604:A880:0800:0010::17D:2001", "cidr": 64},
                        "type": "public",
                    }
                ],
            },
        }
        if self.user_data is not None:
            tree["user_data"] = self.user_data
        return found(json.dumps(tree), "application/json")


@dataclass
class Hetzner:
    """The server metadata service."""

    user_data: bytes | None = USER_DATA

    def __call__(self, asked: Asked) -> Reply:
        metadata = (
            "availability-zone: fsn1-dc14\nhostname: one\ninstance-id: 42\n"
            f"public-ipv4: 203.0.113.12\npublic-keys:\n- {KEY}\nregion: eu-central\n"
            'vendor_data: |\n  Content-Type: multipart/mixed; boundary="x"\n'
        )
        networks = "- ip: 10.3.0.2\n  network_id: 1234\n  network: 10.3.0.0/16\n"
        files: dict[str, bytes | None] = {
            "/hetzner/v1/metadata": metadata.encode(),
            "/hetzner/v1/metadata/private-networks": networks.encode(),
            "/hetzner/v1/userdata": self.user_data,
        }
        body = files.get(asked.path)
        return Reply(404, b"not found") if body is None else found(body)
