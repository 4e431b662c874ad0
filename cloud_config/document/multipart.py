"""User data that is a MIME message of several parts.

Source: RFC 2046 section 5.1; types as cloud-init and Flatcar's
coreos-cloudinit know them.
"""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass, field
from email.message import Message

_MAX_PARTS = 64
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]*={0,2}\s*\Z")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a message has no parts."""

    reason: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part that is no multipart itself.

    Attributes:
        kind: media type in lower case, ``text/plain`` without one.
        content: its transfer encoding undone.
        lines_before: lines of the message above the content; a packed part has
            no lines of its own in the message, its begin stands for all.
    """

    kind: str
    name: str
    content: bytes = field(repr=False)
    lines_before: int = 0


def leaves(data: bytes) -> list[Leaf] | Unreadable:
    """The parts of a message, in order."""
    try:
        message = email.message_from_bytes(data, policy=email.policy.compat32)
        parts = [part for part in message.walk() if not part.is_multipart()]
    except (ValueError, LookupError, RecursionError) as error:
        return Unreadable(f"multipart message cannot be read: {type(error).__name__}")
    if not message.is_multipart():
        return Unreadable("multipart message has no parts; does its boundary match?")
    if len(parts) > _MAX_PARTS:
        return Unreadable(f"multipart message has more than {_MAX_PARTS} parts")
    found: list[Leaf] = []
    position = 0
    for part in parts:
        raw = part.get_payload()
        text = raw if isinstance(raw, str) else ""
        position = max(data.find(text.encode("utf-8", "surrogateescape"), position), position)
        content = _content(part, text)
        if content is None:
            return Unreadable("part of the multipart message is no base64")
        lines = data.count(b"\n", 0, position)
        found.append(Leaf(part.get_content_type(), _name(part), content, lines))
    return found


def _content(part: Message, text: str) -> bytes | None:
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    if encoding == "base64" and not _BASE64.match(text):
        return None
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _name(part: Message) -> str:
    """The file name, which goes into messages only."""
    name = part.get_filename("")
    return "".join(letter for letter in str(name) if letter.isprintable())[:60]
