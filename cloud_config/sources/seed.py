"""What one source gives: user data, metadata, or both. Pure."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from cloud_config.planning.metadata import Metadata
from osmodel.faults import InvalidInput, UntrustedData

LARGEST_USER_DATA = 1 << 20  # bytes, as coreos-cloudinit


@dataclass(frozen=True, slots=True)
class Seed:
    """What was found in one place.

    Attributes:
        metadata: facts about the machine; its ``source`` names the place.
        user_data: as found; a secret. ``None`` if none were set.
        remarks: one line each, about parts that were there and are not used.
        url: where the user data is instead, if the source only says that.
        is_forgetful: whether user data that are not there may have been there
            before, as on a medium that was taken out.
    """

    metadata: Metadata
    user_data: bytes | None = field(default=None, repr=False)
    remarks: tuple[str, ...] = ()
    url: str = field(default="", repr=False)
    is_forgetful: bool = False

    def __post_init__(self) -> None:
        if self.user_data is not None and len(self.user_data) > LARGEST_USER_DATA:
            raise InvalidInput(
                f"{self.metadata.source}: user data of {len(self.user_data)} bytes, "
                f"at most {LARGEST_USER_DATA} are read"
            )


def given(content: bytes | None) -> bytes | None:
    """User data, or ``None`` if it is missing or blank: an empty field is no document."""
    return content if content is not None and content.strip() else None


def from_base64(text: str, where: str) -> bytes:
    """Decode ``text``, which may be broken into lines.

    Raises:
        UntrustedData: it is something else; the message begins with ``where``.
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UntrustedData(f"{where}: not base64") from error
