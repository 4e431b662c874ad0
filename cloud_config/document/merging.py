"""Several documents as one, as if they had been applied one after the other.

Lists are joined in order. Of single values the later counts, apart from the
host name, where the first counts. Source: Flatcar's coreos-cloudinit
(determineHostname, and one Apply for each part).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from cloud_config.document.model import Coreos, Document


def merged(documents: Iterable[Document]) -> Document:
    """One document that asks for what all of them ask for."""
    return reduce(_joined, documents, Document())


def _joined(first: Document, second: Document) -> Document:
    keys = dict.fromkeys(first.ssh_authorized_keys + second.ssh_authorized_keys)
    return Document(
        hostname=first.hostname or second.hostname,
        ssh_authorized_keys=tuple(keys),
        manage_etc_hosts=second.manage_etc_hosts or first.manage_etc_hosts,
        users=first.users + second.users,
        write_files=first.write_files + second.write_files,
        coreos=_joined_coreos(first.coreos, second.coreos),
        timezone=second.timezone or first.timezone,
        ntp=second.ntp or first.ntp,
        network=first.network + second.network,
        quadlets=first.quadlets + second.quadlets,
        filesystems=first.filesystems + second.filesystems,
        authorities=first.authorities + second.authorities,
    )


def _joined_coreos(first: Coreos, second: Coreos) -> Coreos:
    return Coreos(
        update={**first.update, **second.update},
        locksmith={**first.locksmith, **second.locksmith},
        etcd2={**first.etcd2, **second.etcd2},
        fleet={**first.fleet, **second.fleet},
        flannel={**first.flannel, **second.flannel},
        oem={**first.oem, **second.oem},
        units=first.units + second.units,
        lines={**first.lines, **second.lines},
    )
