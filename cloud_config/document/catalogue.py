"""Every key a document may have.

Types, patterns and deprecations of coreos-cloudinit's keys are its own, so that
a document means here what it meant there; what it did not have comes below a
key of its own (``timezone``, ``ntp``, ``network``, ``podman``, ``storage``).

Source: coreos-cloudinit, config/*.go (structure tags ``valid`` and
``deprecated``).
"""

from __future__ import annotations

from typing import Final

from cloud_config.document import otherprograms
from cloud_config.document.catalogue_coreos import COREOS
from cloud_config.document.keys import Fields, Items, Key, Kind, Leaf, choice, keys_of
from cloud_config.document.users import User

TEXT: Final = Leaf()
TEXTS: Final = Items(TEXT)
FLAG: Final = Leaf(Kind.FLAG)
ADDRESSES: Final = Items(Leaf(pattern=r"\A[A-Za-z0-9.:_-]+\Z", allowed="a name or an address"))

_REMOTE = "trying to fetch from a remote endpoint introduces too many intermittent errors"

USER: Final = Fields(
    keys=(
        *keys_of(User),
        Key("coreos_ssh_import_github", TEXT, "Not done here.", deprecated=_REMOTE),
        Key("coreos_ssh_import_github_users", TEXTS, "Not done here.", deprecated=_REMOTE),
        Key("coreos_ssh_import_url", TEXT, "Not done here.", deprecated=_REMOTE),
    ),
    required=("name",),
    foreign=otherprograms.USER,
    words=(("default", otherprograms.DEFAULT_USER),),
)

FILE: Final = Fields(
    keys=(
        Key("path", TEXT, "Where: below /etc, /var, /home, /root or /run."),
        Key("content", Leaf(secret=True, raw=True), "What is in the file."),
        Key(
            "encoding",
            choice("b64", "base64", "gz", "gzip", "gz+b64", "gz+base64", "gzip+b64", "gzip+base64"),
            "How content is packed; plain text by default.",
        ),
        Key(
            "permissions",
            Leaf(pattern=r"\A0?[0-7]{3,4}\Z", allowed='octal digits such as "0644"'),
            "Octal mode; 0644 by default.",
        ),
        Key(
            "owner",
            Leaf(pattern=r"\A[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?\Z", allowed="user or user:group"),
            "user or user:group; root by default.",
        ),
    ),
    required=("path",),
    whole=True,
    foreign=otherprograms.FILE,
    spoiling=otherprograms.SPOILING,
)

NTP: Final = Fields(
    keys=(
        Key("enabled", FLAG, "Whether systemd-timesyncd runs; true by default."),
        Key("servers", ADDRESSES, "Time servers, instead of the image's."),
        Key("fallback_servers", ADDRESSES, "Asked when no other is known."),
    ),
    foreign=otherprograms.NTP,
)

NETWORK: Final = Fields(
    keys=(
        Key(
            "units",
            Items(
                Fields(
                    keys=(
                        Key(
                            "name",
                            Leaf(
                                pattern=r"\A[A-Za-z0-9:_.@-]+\.(network|netdev|link)\Z",
                                allowed="a name that ends in .network, .netdev or .link",
                            ),
                            "File name in /etc/systemd/network.",
                        ),
                        Key("content", TEXT, "The unit as in systemd.network(5) and its kin."),
                    ),
                    required=("name", "content"),
                    whole=True,
                )
            ),
            "Units of systemd-networkd.",
        ),
    ),
    foreign=otherprograms.NETWORK,
)

PODMAN: Final = Fields(
    keys=(
        Key(
            "quadlets",
            Items(
                Fields(
                    keys=(
                        Key(
                            "name",
                            Leaf(
                                pattern=r"\A[A-Za-z0-9:_.@-]+"
                                r"\.(container|volume|network|kube|image|build|pod)\Z",
                                allowed="a name that ends in .container, .volume, .network, "
                                ".kube, .image, .build or .pod",
                            ),
                            "File name in /etc/containers/systemd.",
                        ),
                        Key("content", TEXT, "The unit as in podman-systemd.unit(5)."),
                        Key("start", FLAG, "Start its service now; true by default."),
                    ),
                    required=("name", "content"),
                    whole=True,
                )
            ),
            "Containers as units.",
        ),
    )
)

STORAGE: Final = Fields(
    keys=(
        Key(
            "filesystems",
            Items(
                Fields(
                    keys=(
                        Key(
                            "device",
                            Leaf(
                                pattern=r"\A/dev/(?!.*\.\.)[A-Za-z0-9_.:/+-]+\Z",
                                allowed="a path below /dev",
                            ),
                            "Block device, best one of /dev/disk/by-*.",
                        ),
                        Key("format", choice("ext4", "vfat"), "ext4 by default."),
                        Key(
                            "label",
                            Leaf(
                                pattern=r"\A[A-Za-z0-9_.-]{1,16}\Z",
                                allowed="16 letters, digits, _ . -",
                            ),
                            "Its label.",
                        ),
                        Key("path", TEXT, "Where it is mounted, below /var, /home or /root."),
                        Key(
                            "options",
                            Items(
                                Leaf(
                                    pattern=r"\A[A-Za-z0-9_.:/=+@-]+\Z",
                                    allowed="an option of mount(8)",
                                )
                            ),
                            "Mount options.",
                        ),
                    ),
                    required=("device",),
                    whole=True,
                )
            ),
            "Data disks: formatted only when empty, and mounted.",
        ),
    )
)

CA_CERTS: Final = Fields(
    keys=(
        Key("trusted", Items(TEXT), "Certificates in PEM, besides those of the image."),
        Key("remove_defaults", FLAG, "Only false: the image's own authorities stay."),
    ),
)

DOCUMENT: Final = Fields(
    keys=(
        Key(
            "hostname",
            Leaf(
                pattern=r"\A(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\Z",
                allowed="letters, digits, . and -",
            ),
            "Name of the machine.",
        ),
        Key("ssh_authorized_keys", Items(Leaf(secret=True)), "Keys that may log in as core."),
        Key("users", Items(USER), "Accounts; one that exists gets its password and keys."),
        Key("write_files", Items(FILE), "Files."),
        Key(
            "manage_etc_hosts",
            choice("localhost"),
            "localhost: /etc/hosts names the machine itself.",
        ),
        Key("ca_certs", CA_CERTS, "Authorities whose certificates count."),
        Key("coreos", COREOS, "Units, updates and the programs of a cluster."),
        Key(
            "timezone",
            Leaf(
                pattern=r"\A[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*\Z",
                allowed="a zone such as Europe/Berlin",
            ),
            "Zone such as Europe/Berlin.",
        ),
        Key("ntp", NTP, "Time servers."),
        Key("network", NETWORK, "The network, by systemd-networkd."),
        Key("podman", PODMAN, "Containers, by quadlets."),
        Key("storage", STORAGE, "Data disks."),
    ),
    foreign=otherprograms.TOP,
)
