"""Which platform this machine runs on, by what its firmware says. Pure.

The firmware's tables are read before anything is asked, so no machine waits for
a service that its platform does not have.

Source: cloud-init 25.1, tools/ds-identify; Amazon EC2, "Identify EC2 instances";
Azure's chassis asset tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

AZURE_ASSET_TAG = "7783-7084-3265-9085-8269-3286-77"


class Platform(StrEnum):
    """A platform with a source of its own."""

    AZURE = "azure"
    DIGITALOCEAN = "digitalocean"
    EC2 = "ec2"
    GCE = "gce"
    HETZNER = "hetzner"
    OPENSTACK = "openstack"
    VMWARE = "vmware"


@dataclass(frozen=True, slots=True)
class Firmware:
    """Strings of the SMBIOS tables, as in /sys/class/dmi/id; empty if there are none."""

    sys_vendor: str = ""
    product_name: str = ""
    product_uuid: str = ""
    product_serial: str = ""
    chassis_asset_tag: str = ""
    bios_vendor: str = ""
    bios_version: str = ""


_VENDORS = {
    "Amazon EC2": Platform.EC2,
    "DigitalOcean": Platform.DIGITALOCEAN,
    "Google": Platform.GCE,
    "Hetzner": Platform.HETZNER,
    "OpenStack Foundation": Platform.OPENSTACK,
    "VMware, Inc.": Platform.VMWARE,
}
_OPENSTACK_PRODUCTS = frozenset({"OpenStack Nova", "OpenStack Compute"})
_OPENSTACK_TAGS = frozenset(
    {"HUAWEICLOUD", "OpenTelekomCloud", "OpenStack Nova", "OpenStack Compute", "SAP CCloud VM"}
)


def platform_of(firmware: Firmware) -> Platform | None:
    """The platform, or ``None`` for one that has no source of its own."""
    if firmware.chassis_asset_tag == AZURE_ASSET_TAG:
        return Platform.AZURE
    if firmware.product_name in _OPENSTACK_PRODUCTS:
        return Platform.OPENSTACK
    if firmware.chassis_asset_tag in _OPENSTACK_TAGS:
        return Platform.OPENSTACK
    if firmware.product_name == "Google Compute Engine":
        return Platform.GCE
    if _is_xen_on_ec2(firmware):
        return Platform.EC2
    return _VENDORS.get(firmware.sys_vendor)


def _is_xen_on_ec2(firmware: Firmware) -> bool:
    # Instances of the older kind name Xen as vendor, and Amazon in the version.
    return "amazon" in firmware.bios_version.lower() and (
        firmware.product_uuid.lower().startswith("ec2")
    )
