"""The command lines of README.md and docs/usage."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.checkout import ROOT

OURS = ("build-image", "boot-image", "update-mirror", "update-ctl", "cloud-config")
OLD_NAMES = ("coreos-cloudinit", "update_engine_client")
OTHERS = ("make", "xorrisofs", "openssl", "bmaptool", "journalctl", "zstd", "qemu-system-x86_64")
_PROGRAM = rf"(?:\.venv/bin/)?(?:{'|'.join((*OURS, *OLD_NAMES, *OTHERS))})"
_FENCED = re.compile(r"^```(?:sh)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_ANY_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINE = re.compile(rf"^(?:[#$] )?({_PROGRAM} .*?)(?:\s+#\s.*)?$", re.MULTILINE)
_SPAN = re.compile(rf"(?<!`)`({_PROGRAM} [^`\n]+)`(?!`)")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command with its arguments, as a document has it.

    Attributes:
        document: path below the checkout.
        text: on one line, single blanks, without a comment.
    """

    document: str
    text: str

    @property
    def program(self) -> str:
        """Name of the program."""
        return self.text.split()[0].rpartition("/")[2]


def documents() -> list[Path]:
    """README.md and what operators read."""
    return [ROOT / "README.md", *sorted((ROOT / "docs" / "usage").glob("*.md"))]


def command_lines() -> tuple[CommandLine, ...]:
    """All, each once for its document, in their order."""
    found = (
        CommandLine(str(path.relative_to(ROOT)), text)
        for path in documents()
        for text in _texts(path.read_text(encoding="utf-8"))
    )
    return tuple(dict.fromkeys(found))


def _texts(document: str) -> Iterator[str]:
    for block in _FENCED.findall(document):
        for text in _LINE.findall(block.replace("\\\n", " ")):
            yield " ".join(text.split())
    yield from _SPAN.findall(_ANY_FENCE.sub("", document))
