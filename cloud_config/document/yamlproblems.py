"""Syntax errors of YAML in one wording, whichever parser found them.

The wording is libyaml's, which coreos-cloudinit's validator printed; PyYAML's
own parser differs in some. A line is the one where a person has to look.

Source: libyaml src/{scanner,parser,reader}.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml
from yaml.reader import ReaderError

from cloud_config.document.showing import shown

_REWORDED = (
    (
        r"^found character .* that cannot start any token.*",
        "found character that cannot start any token",
    ),
    (
        r"^mapping (values|keys) are not allowed here$",
        r"mapping \1 are not allowed in this context",
    ),
    (
        r"^sequence entries are not allowed here$",
        "block sequence entries are not allowed in this context",
    ),
    (r"^expected ',' or '(.)', but got .*", r"did not find expected ',' or '\1'"),
    (r"^expected the node content, but found .*", "did not find expected node content"),
    (r"^expected '<document start>', but found .*", "did not find expected <document start>"),
    (r"^found undefined alias '?(.*?)'?$", r"unknown anchor '\1' referenced"),
)
_BLOCK_END = {
    "while parsing a block mapping": "did not find expected key",
    "while parsing a block collection": "did not find expected '-' indicator",
}
# Found where the next token is; the mistake is where the key began.
_AT_CONTEXT = "could not find expected ':'"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong and on which line, counted from 1."""

    line: int
    message: str


def explained(error: yaml.YAMLError, text: str) -> Problem:
    """The place and wording of what a parser raised."""
    if isinstance(error, ReaderError):
        return Problem(_line_of(error, text), "control characters are not allowed")
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(1, str(error).splitlines()[0])
    message = error.problem or error.context or "unknown problem parsing YAML content"
    mark = error.problem_mark or error.context_mark
    if message.startswith("expected <block end>"):
        message = _BLOCK_END.get(error.context or "", message)
    for pattern, wording in _REWORDED:
        message = re.sub(pattern, wording, message)
    if message == _AT_CONTEXT and error.context_mark is not None:
        mark = error.context_mark
    last = max(len(text.splitlines()), 1)
    return Problem(min(mark.line + 1, last) if mark else 1, shown(message))


def _line_of(error: ReaderError, text: str) -> int:
    """The line of a character YAML does not allow."""
    found = re.search("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    del error  # its position is in bytes or characters, depending on the parser
    return text[: found.start()].count("\n") + 1 if found else 1
