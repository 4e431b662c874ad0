"""Where a person has to look when YAML has a syntax error.

The words are libyaml's, which coreos-cloudinit's validator printed as well.

Source: libyaml src/{scanner,parser,reader}.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from cloud_config.document.showing import shown

# Found where the next token is; the mistake is where the key began.
_AT_CONTEXT = "could not find expected ':'"
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong and on which line, counted from 1."""

    line: int
    message: str


def explained(error: yaml.YAMLError, text: str) -> Problem:
    """The place and wording of what the parser raised."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(_line_of_control_character(text), "control characters are not allowed")
    message = error.problem or error.context or "unknown problem parsing YAML content"
    mark = error.problem_mark or error.context_mark
    if message == _AT_CONTEXT and error.context_mark is not None:
        mark = error.context_mark
    last = max(len(text.splitlines()), 1)
    return Problem(min(mark.line + 1, last) if mark else 1, shown(message))


def _line_of_control_character(text: str) -> int:
    """The reader's own position is in bytes or characters, depending on what it read."""
    found = _NOT_ALLOWED.search(text)
    return text[: found.start()].count("\n") + 1 if found else 1
