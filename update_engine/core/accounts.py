"""Accounts of the image that this machine has otherwise.

Files belong to numbers. When a version brings an account whose number or name a
local one has, one of the two gets the other's files; systemd-sysusers then picks
another number, or the local group, without a word. Such a version is not a good
one for this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from osmodel.accountids import is_debians, is_images


def collisions(image: str, machine: str, kind: str) -> list[str]:
    """What is wrong with the accounts of a machine, one sentence each.

    Args:
        image: text of the image's passwd(5) or group(5).
        machine: the same of the machine.
        kind: ``user`` or ``group``, for the sentences.
    """
    wanted, found = _numbers(image), _numbers(machine)
    holders = {number: name for name, number in found.items()}
    return [
        *_renumbered(wanted, found, kind),
        *(
            f"{kind} {holders[number]} has number {number}, which is the image's {name}"
            for name, number in wanted.items()
            # A second name for a number of Debian's, such as 0, is made on purpose.
            if not is_debians(number) and holders.get(number, name) != name
        ),
    ]


def overlaps(image: str, machine: str, kind: str) -> list[str]:
    """Local accounts with a number that a later version may bring."""
    wanted = _numbers(image)
    return [
        f"{kind} {name} has number {number}, which images may hand out"
        for name, number in _numbers(machine).items()
        if name not in wanted and is_images(number)
    ]


def _renumbered(wanted: Mapping[str, int], found: Mapping[str, int], kind: str) -> Iterator[str]:
    for name, number in wanted.items():
        if found.get(name, number) != number:
            yield f"{kind} {name} has number {found[name]}, the image's has {number}"


def _numbers(text: str) -> dict[str, int]:
    rows = (line.split(":") for line in text.splitlines())
    return {row[0]: int(row[2]) for row in rows if len(row) > 2 and row[2].isdecimal()}  # noqa: PLR2004
