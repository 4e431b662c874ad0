"""YAML text to a small tree with line numbers, within limits.

The tree is built from parser events rather than by PyYAML's composer: that one
recurses, puts no bound on what aliases expand to, and cannot be told to stop.
No tag makes an object here; scalars stay text, and
:mod:`cloud_config.document.scalars` says what they are.

Refuses: more than 1 MiB of text, more values or text than the budget allows with
aliases expanded, nesting deeper than 48, an alias inside of what it names.

Source: YAML 1.1; of a stream with several documents the first is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from cloud_config.document.budget import MAX_BYTES, Budget, BudgetError
from cloud_config.document.findings import Finding, Level
from cloud_config.document.keys import underscored
from cloud_config.document.showing import shown
from cloud_config.document.yamlnodes import Listing, Mapping, Node, Scalar, Twice, joined
from cloud_config.document.yamlproblems import Problem, explained

MAX_DEPTH = 48
_MERGE = "<<"


def parse(text: str, budget: Budget) -> tuple[Node | None, list[Finding]]:
    """Read the first document of ``text``.

    Args:
        text: YAML.
        budget: what may be spent; less is left afterwards.

    Returns:
        The root, or ``None`` for an empty text or one with a syntax error, and
        findings about the form: lines are counted from 1.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return None, [Finding(1, Level.ERROR, f"document is larger than {MAX_BYTES} bytes")]
    builder = _Builder(text, budget)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if builder.take(event):
                break
    except yaml.YAMLError as error:
        problem = explained(error, text)
        return None, [*builder.findings, Finding(problem.line, Level.ERROR, problem.message)]
    except _RefusedError as refused:
        problem = refused.problem
        return None, [*builder.findings, Finding(problem.line, Level.ERROR, problem.message)]
    return builder.root, builder.findings


class _RefusedError(Exception):
    """A limit was reached."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(line, message)


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet.

    Attributes:
        key: whose value comes next, and its line.
        skips: whether that value is left out, since its key is none.
        flow: written in brackets.
        joined: keys whose value was put together here, so that no alias has it.
    """

    node: Listing | Mapping
    anchor: str | None
    key: tuple[str, int] | None = None
    skips: bool = False
    flow: bool = False
    joined: set[str] = field(default_factory=set)


class _Builder:
    """Takes events one by one and keeps the tree that they describe."""

    def __init__(self, text: str, budget: Budget) -> None:
        self.root: Node | None = None
        self.findings: list[Finding] = []
        self._lines = text.splitlines()
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._budget = budget

    def take(self, event: Event) -> bool:
        """Add one event; true when nothing more is to be read."""
        assert event.start_mark is not None
        line = event.start_mark.line + 1
        match event:
            case DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._warn(line, "only the first document of the file is read")
                    return True
            case DocumentEndEvent():
                self._anchors.clear()
            case ScalarEvent():
                tag = event.tag or ""
                plain, size = bool(event.implicit[0]), len(event.value.encode(errors="replace"))
                self._add(Scalar(event.value, line, tag, plain, size=size), event, line)
            case AliasEvent():
                self._alias(event, line)
            case SequenceStartEvent() | MappingStartEvent():
                self._open(event, line)
            case CollectionEndEvent():
                self._close()
            case _:
                pass
        return False

    def _open(self, event: SequenceStartEvent | MappingStartEvent, line: int) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise _RefusedError(line, f"nested deeper than {MAX_DEPTH} levels")
        node = Listing(line) if isinstance(event, SequenceStartEvent) else Mapping(line)
        self._spend(node, line)
        self._stack.append(_Open(node, event.anchor, flow=bool(event.flow_style)))

    def _close(self) -> None:
        done = self._stack.pop()
        node = done.node
        if isinstance(node, Mapping):
            for name, entry in node.merged.items():
                node.entries.setdefault(name, entry)
            node.merged = {}
        self._place(node, done.anchor)

    def _add(self, node: Scalar, event: NodeEvent, line: int) -> None:
        opened = self._stack[-1] if self._stack else None
        if opened is not None and isinstance(opened.node, Mapping) and opened.key is None:
            self._spend(node, line)
            opened.node.weight += node.weight
            opened.node.size += node.size
            opened.key = (node.text, line)
            if event.anchor:
                self._anchors[event.anchor] = node
            return
        self._spend(node, line)
        self._place(node, event.anchor)

    def _alias(self, event: AliasEvent, line: int) -> None:
        node = self._anchors.get(str(event.anchor))
        if node is None:
            raise _RefusedError(line, f"unknown anchor '{shown(str(event.anchor))}' referenced")
        if isinstance(node, Scalar):
            self._add(node, AliasEvent(None), line)
        else:
            self._spend(node, line)
            self._place(node, None)

    def _spend(self, node: Node, line: int) -> None:
        """Count a value that begins here; one that an alias stands for with all inside of it."""
        try:
            self._budget.spend_values(node.weight, node.size)
        except BudgetError as error:
            raise _RefusedError(line, str(error)) from error

    def _place(self, node: Node, anchor: str | None) -> None:
        """Put a finished node where it belongs."""
        if anchor:
            self._anchors[anchor] = node
        if not self._stack:
            self.root = node
            return
        opened = self._stack[-1]
        # As if aliases were copies, which they are for the checks that walk the tree.
        opened.node.weight += node.weight
        opened.node.size += node.size
        if isinstance(opened.node, Listing):
            opened.node.items.append((self._dash(node.line, flow=opened.flow), node))
        elif opened.key is None:
            self._note_odd_key(node, flow=opened.flow)
            opened.key, opened.skips = ("", node.line), True
        elif opened.skips:
            opened.key, opened.skips = None, False
        else:
            key, opened.key = opened.key, None
            self._enter(opened, opened.node, key, node)

    def _note_odd_key(self, node: Node, *, flow: bool) -> None:
        """A list or a table as a key; of what was written so, only this part is lost."""
        last = self.findings[-1] if self.findings else None
        if last and (last.line, last.level) == (node.line, Level.ERROR):
            return  # of the same braces
        is_template = flow and isinstance(node, Mapping)
        why = ": was a template {{ }} not filled in?" if is_template else ""
        message = f"a key must be a single value{why}"
        self.findings.append(
            Finding(node.line, Level.ERROR, message, "a key must be a single value")
        )

    def _enter(self, opened: _Open, mapping: Mapping, key: tuple[str, int], node: Node) -> None:
        name, line = underscored(key[0]), key[1]
        if name == _MERGE and not isinstance(node, Scalar):
            self._merge(mapping, node)
            return
        if name in mapping.entries:
            first = mapping.entries[name][1]
            node = joined(Twice(name, line, first, node), opened.joined, self.findings)
        mapping.entries[name] = (line, node)

    @staticmethod
    def _merge(mapping: Mapping, node: Listing | Mapping) -> None:
        sources = [node] if isinstance(node, Mapping) else [item for _, item in node.items]
        for source in sources:
            if isinstance(source, Mapping):
                for name, entry in source.entries.items():
                    mapping.merged.setdefault(name, entry)

    def _dash(self, line: int, *, flow: bool) -> int:
        """The line of the dash before an item: a value may begin lines below it."""
        if flow or self._text(line).startswith("-"):
            return line
        above = line - 1
        while above and not self._said(above):
            above -= 1
        return above if self._said(above).endswith("-") else line

    def _text(self, line: int) -> str:
        return self._lines[line - 1].strip() if 0 < line <= len(self._lines) else ""

    def _said(self, line: int) -> str:
        """A line without its comment."""
        return f" {self._text(line)}".split(" #", 1)[0].strip()

    def _warn(self, line: int, message: str) -> None:
        self.findings.append(Finding(line, Level.WARNING, message))
