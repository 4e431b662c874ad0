"""What documents, docstrings and comments name is there."""

import builtins
import re
from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.checkout import ROOT
from tests.unit.project import named
from tests.unit.project.named import CODE, PLACES, Text

_PATH = re.compile(rf"(?<![\w./~<-])(?:{'|'.join(PLACES)})/[\w./*<>{{}}-]*")
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
_TEST = re.compile(r"(?<![\w./])test_\w+")
_DOTTED = re.compile(rf"(?<![\w./:-])(?:{'|'.join(CODE)})(?:\.[A-Za-z_]\w*)+(?![\w/-])")
_ROLE = re.compile(r":(class|func|meth|mod|data|attr|exc):`~?([\w.]+)`")
_CLASS = re.compile(r"``([A-Z][a-z]+(?:[A-Z][a-z]+)+)``")
# Suffixes of files and hosts, which look like the end of a dotted name.
_SUFFIXES = (".py", ".toml", ".md", ".service", ".json", ".lock", ".txt", ".log")

# Members of D-Bus interfaces, which look like classes of ours.
_ON_THE_BUS = frozenset({"ActiveState", "AttemptUpdate"})
# What a specification or another project calls its files, up to the end of the paragraph.
_SOURCE = re.compile(r"^Source: .*?(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)


Finder = Callable[[Text], Iterator[str]]


def problems(texts: Iterable[Text], missing: Finder) -> list[str]:
    return sorted({f"{text.where}: {name}" for text in texts for name in missing(text)})


def missing_paths(text: Text) -> Iterator[str]:
    for match in _PATH.finditer(_SOURCE.sub("", text.text)):
        path = match[0].rstrip(".-")
        if "<" in path or "{" in path or re.search(r"\b[A-Z]{2,}\b", path):
            continue  # a placeholder
        pattern = path.rstrip("/")
        if not (list(ROOT.glob(pattern)) if "*" in pattern else (ROOT / pattern).exists()):
            yield path


def missing_links(text: Text) -> Iterator[str]:
    here = (ROOT / text.where).parent
    for match in _LINK.finditer(text.text):
        if not (here / match[1]).exists():
            yield match[1]


def missing_tests(text: Text) -> Iterator[str]:
    for match in _TEST.finditer(text.text):
        if match[0] not in named.tests() and not match[0].endswith("_"):
            yield match[0]


def missing_dotted(text: Text) -> Iterator[str]:
    for match in _DOTTED.finditer(text.text):
        if not match[0].endswith(_SUFFIXES) and not named.exists(match[0]):
            yield match[0]


def missing_roles(text: Text) -> Iterator[str]:
    module = named.modules()[text.module]
    package = text.module.rpartition(".")[0]
    for kind, name in _ROLE.findall(text.text):
        known = (
            named.exists(name)
            or named.exists(f"{text.module}.{name}")
            or (kind == "mod" and (named.exists(f"{package}.{name}") or name in module.names))
            # A member of the class that the text is in, or a class of another module.
            or any(name in members for members in module.members.values())
            or _is_of_a_class(name)
        )
        if not known:
            yield name


def _is_of_a_class(name: str) -> bool:
    """Whether it is a class of ours, or a class and one of its members."""
    first, _, member = name.partition(".")
    found = [m.members[first] for m in named.modules().values() if first in m.members]
    return any(not member or member in members for members in found)


def missing_classes(text: Text) -> Iterator[str]:
    for match in _CLASS.finditer(text.text):
        if match[1] not in named.classes() | _ON_THE_BUS and not hasattr(builtins, match[1]):
            yield match[1]


ALL = (*named.documents(), *named.docstrings())


@pytest.mark.parametrize("missing", [missing_paths, missing_tests, missing_dotted])
def test_what_a_text_names_exists(missing: Finder) -> None:
    assert problems(ALL, missing) == []


def test_links_of_documents_lead_somewhere() -> None:
    assert problems(named.documents(), missing_links) == []


@pytest.mark.parametrize("missing", [missing_roles, missing_classes])
def test_code_that_a_docstring_names_exists(missing: Finder) -> None:
    assert problems(named.docstrings(), missing) == []


@pytest.mark.parametrize(
    ("text", "missing", "name"),
    [
        ("see docs/nowhere.md.", missing_paths, "docs/nowhere.md"),
        ("in `tests/unit/test_gone.py`", missing_paths, "tests/unit/test_gone.py"),
        ("shown by `test_nothing_like_it`", missing_tests, "test_nothing_like_it"),
        ("the fake is ``tests.fakes.nofake``", missing_dotted, "tests.fakes.nofake"),
        ("``hostio.system.runner.NoRunner``", missing_dotted, "hostio.system.runner.NoRunner"),
        ("[here](nowhere.md)", missing_links, "nowhere.md"),
        ("See :meth:`Runner.walk`.", missing_roles, "Runner.walk"),
        ("a ``ToolBoxOfNobody``", missing_classes, "ToolBoxOfNobody"),
    ],
)
def test_what_is_missing_is_found(text: str, missing: Finder, name: str) -> None:
    module = "hostio.system.runner"
    assert problems([Text("README.md", text, module)], missing) == [f"README.md: {name}"]
