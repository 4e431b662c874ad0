"""Hold a tree against the table of keys.

Messages and levels are those of coreos-cloudinit's validator: a key that is not
known and a value of another type are warnings and left out, a value that is
not allowed is an error.

Source: coreos-cloudinit, config/validate/rules.go (checkStructure, checkValidity).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from cloud_config.document import scalars
from cloud_config.document.checked import Checked, Table, Value
from cloud_config.document.findings import MAX_FINDINGS, Finding, Level
from cloud_config.document.keys import Fields, Items, Kind, Leaf, Shape, described, original_type
from cloud_config.document.scalars import Resolved
from cloud_config.document.showing import shown
from cloud_config.document.suggesting import advice
from cloud_config.document.yamlnodes import Listing, Mapping, Node, Scalar

_FITS = {
    Kind.TEXT: {Resolved.TEXT, Resolved.WHOLE, Resolved.NUMBER, Resolved.FLAG},
    Kind.FLAG: {Resolved.FLAG},
    Kind.WHOLE: {Resolved.WHOLE},
    Kind.NUMBER: {Resolved.NUMBER, Resolved.WHOLE},
}


@dataclass(slots=True)
class Checker:
    """Walks a tree once, keeping what fits and noting what does not."""

    findings: list[Finding] = field(default_factory=list)

    def mapping(self, node: Mapping, shape: Fields, path: str = "", line: int = 0) -> Table:
        """The known keys of a mapping."""
        values: dict[str, Value] = {}
        lines: dict[str, int] = {}
        refused: dict[str, str] = {}
        for name, (at, child) in node.entries.items():
            key = shape.named(name)
            if key is None:
                self._unknown(name, child, shape, path, at)
                continue
            lines[name] = at
            if key.deprecated:
                self.note(at, Level.WARNING, f'deprecated key "{name}" ({key.deprecated})')
            value = self.value(child, key.shape, name, at)
            if value is not None:
                values[name] = value
            elif isinstance(child, Scalar):
                refused[name] = child.text
        return Table(line or node.line, values, lines, refused)

    def _unknown(self, name: str, node: Node, shape: Fields, path: str, line: int) -> None:
        original = f'unrecognized key "{shown(name)}"'
        spoiling = dict(shape.spoiling).get(name)
        if spoiling and not (isinstance(node, Scalar) and not scalars.is_true(node.text)):
            message = f'"{name}" of {path}: {spoiling}; it is left out'
            self.note(line, Level.ERROR, message, original)
            return
        # Looking for similar names takes a while, and more findings are not shown.
        advised = advice(name, shape, path) if len(self.findings) < MAX_FINDINGS else ""
        self.note(line, Level.WARNING, original + advised, original)

    def value(self, node: Node, shape: Shape, name: str, line: int) -> Value | None:
        """What ``node`` says, ``None`` if it does not fit."""
        match shape, node:
            case Fields(), Mapping():
                return self._whole(node, shape, name, line)
            case Items(item=item), Listing():
                return self._items(node, item, name)
            case Leaf(), Scalar():
                return self._leaf(node, shape, name, line)
            case _:
                self._misfit(name, node, shape, line)
                return None

    def note(self, line: int, level: Level, message: str, original: str | None = None) -> None:
        """Note a finding; see :class:`Finding`."""
        self.findings.append(Finding(line, level, message, original))

    def _misfit(self, name: str, node: Node, shape: Shape, line: int) -> None:
        words = f"want {described(shape)}"
        if isinstance(shape, Fields) and isinstance(node, Scalar):
            words = dict(shape.words).get(node.text, words)
        original = f'incorrect type for "{name}" (want {original_type(shape)})'
        self.note(line, Level.WARNING, f'incorrect type for "{name}" ({words})', original)

    def _items(self, node: Listing, shape: Leaf | Fields, name: str) -> Value:
        found: list[Checked | Table] = []
        for number, (line, item) in enumerate(node.items):
            value = self.value(item, shape, f"{name}[{number}]", line)
            if isinstance(value, Checked | Table):
                found.append(value)
        return tuple(found)

    def _whole(self, node: Mapping, shape: Fields, name: str, line: int) -> Table:
        """A mapping below a key or in a list."""
        before = len(self.findings)
        group = self.mapping(node, shape, name, line)
        wrong = any(finding.level is Level.ERROR for finding in self.findings[before:])
        usable = not (wrong and shape.whole)
        for needed in shape.required:
            if needed not in group.lines or (needed in group.values and not group.text(needed)):
                self.note(line, Level.WARNING, f'{name} has no "{needed}" and is left out')
            usable = usable and bool(group.text(needed))
        return dataclasses.replace(group, usable=usable)

    def _leaf(self, node: Scalar, leaf: Leaf, name: str, line: int) -> Checked | None:
        resolved = scalars.resolve(node)
        if resolved not in _FITS[leaf.kind]:
            self._misfit(name, node, leaf, line)
            return None
        said = _said(node, leaf, line)
        if said is None:
            self.note(line, Level.ERROR, "!!binary value contains invalid base64 data")
            return None
        if not leaf.raw and "\0" in said.text:
            self.note(line, Level.ERROR, f'value of "{name}" contains a zero byte')
            return None
        if not leaf.accepts(said.text):
            self._refuse(said.text, leaf, name, line)
            return None
        return said

    def _refuse(self, text: str, leaf: Leaf, name: str, line: int) -> None:
        value = "" if leaf.secret else f" {shown(text)}"
        why = f" (allowed: {leaf.allowed})" if leaf.allowed else ""
        if "{{" in text or "${" in text:
            why = " (was a template not filled in?)"
        original = f"invalid value{value}" if value else f'invalid value for "{name}"'
        self.note(line, Level.ERROR, f'invalid value{value} for "{name}"{why}', original)


def _said(node: Scalar, leaf: Leaf, line: int) -> Checked | None:
    content = scalars.binary(node)
    if content is None:
        return None
    match leaf.kind:
        case Kind.FLAG:
            text = "true" if scalars.is_true(node.text) else "false"
        case Kind.WHOLE:
            text = str(scalars.whole(node.text))
        case _:
            text = content.decode("utf-8", "replace")
    return Checked(text, line, content)
