"""The user data of the last run, for boots at which its source is silent."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from cloud_config.document.jsontext import parsed
from osmodel.faults import UntrustedData


@dataclass(frozen=True, slots=True)
class Instance:
    """Which instance was configured last.

    Attributes:
        source: where its user data came from.
        has_user_data: whether the stored user data are this instance's.
    """

    instance_id: str = ""
    source: str = ""
    has_user_data: bool = False

    def as_json(self) -> str:
        """Text of the instance file."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Instance:
        """Read what :meth:`as_json` wrote.

        Raises:
            UntrustedData: something else.
        """
        try:
            table = parsed(text)
            has_user_data = table["has_user_data"] is True
            return cls(str(table["instance_id"]), str(table["source"]), has_user_data)
        except (ValueError, KeyError, TypeError) as error:
            raise UntrustedData("not a description of an instance") from error
