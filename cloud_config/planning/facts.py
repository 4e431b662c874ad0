"""What has to be known of a machine before a plan can be made for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from cloud_config.planning.metadata import Metadata


@dataclass(frozen=True, slots=True)
class Facts:
    """One machine, as far as it changes a plan; everything empty is a bare machine.

    Attributes:
        hostname: in force at this moment.
        users: accounts that exist.
        units: unit files that are installed, by file name; ``None`` if unknown.
        links: top-level directories that are symbolic links, such as ``/home``
            to ``/var/home``: systemd mounts on real paths only.
        update_conf: text of /etc/coreos/update.conf, empty if there is none.
        update_conf_default: text of /usr/share/coreos/update.conf.
        environment: text of /etc/environment.
        image_bundle: text of the certificates that the image trusts.
        metadata: what the platform says.
    """

    hostname: str = ""
    users: frozenset[str] = frozenset()
    units: frozenset[str] | None = None
    links: dict[str, str] = field(default_factory=dict)
    update_conf: str = ""
    update_conf_default: str = ""
    environment: str = ""
    image_bundle: str = field(default="", repr=False)
    metadata: Metadata = field(default_factory=Metadata)

    def with_units(self, names: Iterable[str]) -> Facts:
        """The machine once these unit files are there as well."""
        if self.units is None:
            return self
        return replace(self, units=self.units.union(names))

    def has_unit(self, name: str) -> bool:
        """Whether a unit of that name can be started; yes if the units are not known."""
        return self.units is None or name in self.units
