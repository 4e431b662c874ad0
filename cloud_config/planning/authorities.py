"""Authorities that this machine trusts besides those of its image.

What update-ca-certificates would do, without it: the bundle of the image with
these certificates at its end, which programs read that know one file, and for
each a file of its own with the link that OpenSSL looks it up by. The bundle is
made anew at every start, so that it follows the image's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cloud_config.document.certificates import Certificate
from cloud_config.planning.actions import Action, LinkFile, PutFile
from cloud_config.planning.share import Share

ORIGIN = "ca_certs"
DIRECTORY = "/etc/ssl/certs"
BUNDLE = f"{DIRECTORY}/ca-certificates.crt"
_NOTE = "# By cloud-config: ca_certs\n"


def authorities(certificates: Sequence[Certificate], image_bundle: str) -> Share:
    """The bundle, and each certificate by itself."""
    every = list(dict.fromkeys(certificates))
    if not every:
        return Share()
    files: list[Action] = [PutFile(BUNDLE, _bundle(every, image_bundle), ORIGIN)]
    taken: Counter[str] = Counter()
    for one in every:
        name = f"cloud-config-{one.fingerprint[:16]}.pem"
        link = f"{DIRECTORY}/{one.name_hash}.{taken[one.name_hash]}"
        taken[one.name_hash] += 1
        files.append(PutFile(f"{DIRECTORY}/{name}", one.pem.encode(), ORIGIN))
        files.append(LinkFile(link, name, ORIGIN))
    return Share(files=tuple(files))


def _bundle(certificates: Sequence[Certificate], image_bundle: str) -> bytes:
    before = without_ours(image_bundle)
    if before and not before.endswith("\n"):
        before += "\n"
    ours = "".join(one.pem for one in certificates)
    return (before + _NOTE + ours).encode(errors="surrogateescape")


def without_ours(bundle: str) -> str:
    """A bundle as it was before; needed where the image's own cannot be read."""
    return bundle.partition(_NOTE)[0]
