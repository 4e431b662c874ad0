"""/etc of this machine beside the image's: the record at each boot, and what is shown.

See :mod:`update_engine.core.etc` for what an edited file means.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TextIO

from hostio.files.etclayers import EtcLayers, Kind
from hostio.files.statefiles import TextFile
from osmodel.faults import Fault, InvalidInput
from update_engine.core import accounts, etc
from update_engine.core.etc import EtcRecord, Since
from update_engine.core.health import CheckResult

if TYPE_CHECKING:
    from collections.abc import Callable

    Compare = Callable[[str, str, str], list[str]]

_log = logging.getLogger(__name__)

ACCOUNTS = "accounts"
_FILES = {"user": "/etc/passwd", "group": "/etc/group"}
# systemd-sysusers adds the image's accounts to these at each boot.
_MERGED = frozenset(f"/etc/{name}" for name in ("passwd", "group", "shadow", "gshadow"))
_MANY = 3  # collisions named in one message


@dataclass(frozen=True, slots=True)
class Etc:
    """The layers of /etc and what is kept of them."""

    layers: EtcLayers
    record: TextFile


@dataclass(frozen=True, slots=True)
class Own:
    """One entry of the machine's own, as it is shown.

    Attributes:
        change: ``edited``, ``added``, ``removed`` or ``hiding``.
        image: what became of the image's file since: ``same``, ``changed``, ``unknown``.
        since: version that ran when it was edited.
        merged: whether the image's additions are merged in.
    """

    path: str
    change: str
    image: Since
    since: str = ""
    merged: bool = False


def record(found: Etc, version: str, *, first: bool) -> None:
    """Keep what is needed to tell later what the image changed; a fault is only logged.

    Args:
        found: layers and record.
        version: that runs.
        first: whether this machine has run no other one: then all it has of its
            own was made beside this image.
    """
    try:
        image = found.layers.image()
        own = {path: entry.stamp for path, entry in found.layers.own().items()}
        before = _read(found)
        if first and not before.version:
            before = EtcRecord(version, image)
        found.record.write(etc.encode(before.recorded(version, image, own)))
    except Fault as fault:
        _log.warning("etc not recorded: %s", fault)


def listed(found: Etc) -> list[Own]:
    """All entries of the machine's own, by path.

    Raises:
        HostFailure: the layers cannot be read.
    """
    known, image = _read(found), found.layers.image()
    rows = []
    for path, entry in sorted(found.layers.own().items()):
        since, version = known.since(path, entry.stamp, image)
        words = {Kind.REMOVED: "removed", Kind.HIDING: "hiding"}
        change = words.get(entry.kind, "edited" if path in image else "added")
        rows.append(Own(path, change, since, version, path in _MERGED))
    return rows


def show(found: Etc, out: TextIO, *, as_json: bool, everything: bool) -> int:
    """Print what hides a file of the image, or with ``everything`` all that is local; 0."""
    rows = [one for one in listed(found) if everything or one.change != "added"]
    notes = warnings(found)
    if as_json:
        document = {"entries": [asdict(one) for one in rows], "accounts": notes}
        out.write(json.dumps(document) + "\n")
        return 0
    out.writelines(f"{one.change:8} {one.path}{_remark(one)}\n" for one in rows)
    out.writelines(f"account  {note}\n" for note in notes)
    return 0


def check_accounts(found: Etc) -> CheckResult:
    """Whether accounts of the image and of the machine keep apart.

    What cannot be looked at does not fail: it says nothing about the version.
    """
    try:
        wrong = _both(found, accounts.collisions)
    except Fault as fault:
        _log.warning("accounts not compared: %s", fault)
        wrong = []
    more = f" and {len(wrong) - _MANY} more" if len(wrong) > _MANY else ""
    return CheckResult(ACCOUNTS, passed=not wrong, message="; ".join(wrong[:_MANY]) + more)


def warnings(found: Etc) -> list[str]:
    """Accounts that collide with the image's, or could with a later image's.

    Raises:
        HostFailure: the layers cannot be read.
    """
    return [*_both(found, accounts.collisions), *_both(found, accounts.overlaps)]


def _both(found: Etc, compare: Compare) -> list[str]:
    return [
        line for kind, path in _FILES.items() for line in compare(*found.layers.texts(path), kind)
    ]


def _read(found: Etc) -> EtcRecord:
    text = found.record.read()
    try:
        return etc.parse(text) if text else EtcRecord()
    except InvalidInput as fault:
        _log.warning("record of /etc damaged, begun anew: %s", fault)
        return EtcRecord()


def _remark(one: Own) -> str:
    if one.merged:
        return " (the image's accounts are added at each boot)"
    if one.image is Since.CHANGED:
        return f" (the image's is another one since {one.since})"
    return " (edited before changes were recorded)" if one.image is Since.UNKNOWN else ""
